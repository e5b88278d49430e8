"""Bad requests: one line with the fix, exit code 2, nothing written, and before anything heavy is imported."""

import subprocess
import sys

import pytest

from exporter.cli import main
from exporter.common.errors import RequestError
from exporter.config.check import check
from exporter.config.compose import compose

S, INT8 = "+recipe=yolo_nas_s", "+recipe=yolo_nas_s_int8"

# What is typed, and what the line must say: what was given, and the fix.
REFUSED = [
    (["nonsense"], ["nonsense", "verify"]),
    (["verfy", "x"], ["did you mean verify"]),
    (["+recipe=yolo_nas_q"], ["yolo_nas_q", "did you mean yolo_nas_", "yolo_nas_s_int8"]),
    (["recipe=yolo_nas_s"], ["+recipe=yolo_nas_s"]),
    (["quantization=none"], ["model", "yolo_nas_s", "yolo_nas_m"]),
    ([S, "quantisation=int8"], ["quantisation", "did you mean quantization"]),
    ([S, "quantization=int4000"], ["quantization=int4000", "int8", "none"]),
    ([S, "input.hight=640"], ["input.hight", "did you mean height"]),
    ([S, "postprocessing.nms.iou=0.5"], ["postprocessing.nms.iou", "nms_threshold"]),
    ([S, "input.height=650"], ["input.height=650", "640 or 672"]),
    ([S, "input.size=20"], ["input.size=20", "32"]),
    ([S, "input.batch=0"], ["input.batch=0", "dynamic"]),
    ([S, "input.dtype=int7"], ["input.dtype='int7'", "uint8"]),
    ([S, "postprocessing.nms.nms_threshold=-1"], ["nms_threshold=-1", "0"]),
    ([S, "postprocessing.nms.confidence_threshold=1.5"], ["confidence_threshold=1.5", "1"]),
    ([S, "postprocessing.nms.max_predictions_per_image=2000"], ["max_predictions_per_image=2000", "num_pre_nms_predictions"]),
    ([S, "export.opset=3"], ["export.opset=3", "18"]),
    (["+recipe=yolo_nas_m"], ["model.weights", "must be set", "coco", "random"]),
    ([S, "preprocessing=none", "input.dtype=uint8"], ["input.dtype=uint8", "preprocessing=none"]),
    ([S, "postprocessing/nms=none", "postprocessing/format=flat"], ["format=flat", "nms=none"]),
    ([S, "calibration=demo"], ["calibration", "quantization=none"]),
    ([INT8, "model.weights=random"], ["calibration", "random", "folder"]),
    ([S, "model.weights=mine.pth"], ["model.weights=mine.pth", "no such file"]),
    ([S, "model.weights=coco"], ["model.weights=coco", "model.accept_license=true"]),
    ([INT8, "calibration.num_images=0"], ["calibration.num_images=0", "1"]),
    ([INT8, "quantization.scheme=s8s8"], ["quantization.scheme=s8s8", "u8s8"]),
    ([INT8, "calibration=folder"], ["calibration.path", "must be set"]),
    ([S, "preprocessing._target_=os.system"], ["preprocessing._target_=os.system", "trust=os"]),
    ([S, "backend._target_=exporter.cli.run.main"], ["backend._target_=exporter.cli.run.main", "not a node"]),
    ([S, "backend._target_=exporter.artifact.publish.shutil.rmtree"], ["exporter.artifact.publish.shutil.rmtree"]),
    ([S, "model.class_names={a: 1}"], ["model.class_names"]),
    ([S, "input.size=dynamic", "input.max_size=512"], ["nominal_size=640", "max_size=512"]),
    ([S, "input.size=dynamic", "input.min_size=100"], ["input.min_size=100", "96 or 128"]),
    ([S, "input.size=dynami"], ["input.size='dynami'", "dynamic"]),
    ([S, "input.max_size=1280"], ["input.max_size", "no effect"]),
    ([S, "preprocessing=letterbox", "input.batch=dynamic"], ["input.batch=dynamic", "one raw image", "1"]),
    ([S, "preprocessing=letterbox", "input.dtype=float32"], ["input.dtype=float32", "uint8"]),
    ([S, "preprocessing=letterbox", "input.layout=nhwc"], ["input.layout=nhwc", "[height, width, 3]"]),
    ([S, "preprocessing=letterbox", "input.size=dynamic"], ["input.height=dynamic", "any size"]),
    ([S, "preprocessing=letterbox", "postprocessing/nms=none"], ["preprocessing=letterbox", "nms=onnx"]),
    ([S, "preprocessing=letterbox", "preprocessing.like=rtdetr"], ["preprocessing.like='rtdetr'", "'yolo_nas'", "'declared'"]),
    ([S, "preprocessing=letterbox", "preprocessing.mean=[1,2,3]"], ["preprocessing.mean", "preprocessing.like=declared"]),
    ([S, "preprocessing=declared", "preprocessing.std=[1,0,1]"], ["preprocessing", "above 0"]),
    ([S, "preprocessing=declared", "preprocessing.resize=stretch", "preprocessing.margin=4"], ["margin=4", "no effect"]),
    ([S, "preprocessing=yolo_nas", "preprocessing.resize=stretch"], ["preprocessing.resize", "preprocessing=auto", "have it"]),
    ([S, "input.size=auto"], ["input.size=auto", "do not say", "in pixels"]),
    (["model=onnx", "model.weights=a.onnx", "preprocessing=auto"], ["not known", "preprocessing=declared"]),
    (["model=onnx", "model.weights=a.onnx", "preprocessing=letterbox"], ["not known", "preprocessing.like=yolo_nas, ppyoloe, declared"]),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "said"), REFUSED, ids=[" ".join(arguments) for arguments, _ in REFUSED])
def test_one_line_and_exit_code_2(arguments, said, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    captured = capsys.readouterr()
    line = captured.err.strip()
    assert "\n" not in line
    assert "Traceback" not in line
    assert captured.out == ""
    for part in said:
        assert part in line, line
    assert list(tmp_path.iterdir()) == []


def test_a_device_that_is_not_there(tmp_path, capsys, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main([S, "input.size=64", "export.device=cuda", f"output_dir={tmp_path / 'out'}"]) == 2
    assert "export.device=cuda: torch sees no CUDA device" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_mistake_is_found_before_torch_is_imported():
    code = f"import sys; from exporter.cli import main; main({[S, 'input.size=33']!r}); print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_every_mistake_is_reported_at_once():
    with pytest.raises(RequestError) as error:
        check(compose([S, "input.batch=0", "export.opset=3", "postprocessing.nms.nms_threshold=2"]))
    assert all(part in str(error.value) for part in ("input.batch", "export.opset", "nms_threshold"))


def test_a_recipe_cannot_trust_code(tmp_path, monkeypatch):
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "stranger.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /model: yolo_nas_s\ntrust: [os]\npreprocessing:\n  _target_: os.system\n"
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RequestError, match="only the command line can trust"):
        check(compose(["+recipe=stranger"]))


def test_broken_recipes_spoil_only_themselves(tmp_path, monkeypatch):
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "broken.yaml").write_text("a: [1, 2\nb: }")
    (tmp_path / "recipes" / "unrelated.yaml").write_text("- 1\n- 2\n")
    monkeypatch.chdir(tmp_path)
    assert check(compose([S])).name == "yolo_nas_s"
    with pytest.raises(RequestError, match=r"broken\.yaml: not valid YAML: line 2"):
        compose(["+recipe=broken"])
    with pytest.raises(RequestError, match="not a mapping"):
        compose(["+recipe=unrelated"])


def test_unknown_keys_inside_a_recipe_are_named(tmp_path, monkeypatch):
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "typo.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /model: yolo_nas_s\nmodel:\n  extra: 3\nquantisation: int8\ninput:\n  hight: 3\n"
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RequestError) as error:
        check(compose(["+recipe=typo"]))
    assert all(part in str(error.value) for part in ("model.extra", "quantisation", "input.hight"))


def test_a_name_that_exists_twice_names_both_files(tmp_path, monkeypatch):
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "yolo_nas_s.yaml").write_text("# @package _global_\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RequestError, match=r"two files have this name.*recipes.yolo_nas_s\.yaml"):
        compose([S])
