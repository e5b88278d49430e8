"""Bad requests: one line with the fix, exit code 2, nothing written, and before anything heavy is imported."""

import subprocess
import sys

import pytest

from exporter.cli import main
from exporter.common.errors import RequestError
from exporter.config.check import check
from exporter.config.compose import compose

S, INT8 = "+recipe=yolo_nas_s", "+recipe=yolo_nas_s_int8"

# What is typed, and what the line must say: what was given, and the fix. Mistakes that are found together are typed
# together.
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
    ([S, "preprocessing=yolo_nas", "preprocessing.resize=stretch"], ["preprocessing.resize", "preprocessing=auto", "have it"]),
    (["+recipe=yolo_nas_m"], ["model.weights", "must be set", "coco", "random"]),
    ([INT8, "calibration=folder"], ["calibration.path", "must be set"]),
    ([S, "preprocessing._target_=os.system"], ["preprocessing._target_=os.system", "trust=os"]),
    (
        [S, "input.height=650", "input.batch=0", "input.dtype=int7", "postprocessing.nms.nms_threshold=-1",
         "postprocessing.nms.confidence_threshold=1.5", "export.opset=3", "model.class_names={a: 1}",
         "backend._target_=exporter.cli.run.main"],
        ["input.height=650", "640 or 672", "input.batch=0", "dynamic", "input.dtype='int7'", "uint8", "nms_threshold=-1",
         "confidence_threshold=1.5", "export.opset=3", "18", "model.class_names", "backend._target_=exporter.cli.run.main",
         "not a node"],
    ),
    (
        [INT8, "input.size=dynami", "calibration.num_images=0", "postprocessing.nms.max_predictions_per_image=2000",
         "preprocessing=letterbox", "preprocessing.like=rtdetr", "backend._target_=exporter.artifact.publish.shutil.rmtree"],
        ["input.size='dynami'", "dynamic", "calibration.num_images=0", "1", "max_predictions_per_image=2000",
         "num_pre_nms_predictions", "preprocessing.like='rtdetr'", "'yolo_nas'", "'declared'",
         "exporter.artifact.publish.shutil.rmtree"],
    ),
    ([S, "input.size=20", "preprocessing=declared", "preprocessing.std=[1,0,1]"], ["input.size=20", "32", "above 0"]),
    ([S, "input.size=dynamic", "input.max_size=512"], ["nominal_size=640", "max_size=512"]),
    ([S, "input.size=dynamic", "input.min_size=100"], ["input.min_size=100", "96 or 128"]),
    ([S, "input.size=auto"], ["input.size=auto", "do not say", "in pixels"]),
    ([S, "model.weights=mine.pth"], ["model.weights=mine.pth", "no such file"]),
    (
        [INT8, "preprocessing=none", "input.dtype=uint8", "postprocessing/nms=none", "postprocessing/format=flat",
         "model.weights=coco", "quantization.scheme=s8s8", "input.max_size=1280"],
        ["input.dtype=uint8", "preprocessing=none", "format=flat", "nms=none", "model.weights=coco", "calibration",
         "model.accept_license=true", "quantization.scheme=s8s8", "u8s8", "input.max_size", "no effect"],
    ),
    ([S, "calibration=demo"], ["calibration", "quantization=none"]),
    ([INT8, "model.weights=random"], ["calibration", "random", "folder"]),
    (
        [S, "preprocessing=letterbox", "input.batch=dynamic", "input.dtype=float32", "input.layout=nhwc",
         "input.height=dynamic", "postprocessing/nms=none"],
        ["input.batch=dynamic", "one raw image", "1", "input.dtype=float32", "uint8", "input.layout=nhwc",
         "[height, width, 3]", "input.height=dynamic", "any size", "preprocessing=letterbox", "nms=onnx"],
    ),
    ([S, "preprocessing=letterbox", "preprocessing.mean=[1,2,3]"], ["preprocessing.mean", "preprocessing.like=declared"]),
    ([S, "preprocessing=declared", "preprocessing.resize=stretch", "preprocessing.margin=4"], ["margin=4", "no effect"]),
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
