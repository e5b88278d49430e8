"""The main job end to end: what is published, what it says of itself, what it refuses."""

import collections
import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import onnx
import pytest

import exporter
from exporter.artifact.manifest import Manifest, read_manifest
from exporter.artifact.verify import verify
from exporter.cli import main
from exporter.common.errors import BuildError, RequestError
from exporter.common.files import file_digest
from exporter.demo.scenes import CLASS_NAMES, scene
from exporter.runtime.onnx_runtime import session
from tests.model.graphs import saved_detector

pytestmark = pytest.mark.usefixtures("one_store")


def run(folder: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    ort = session(folder / "model.onnx")
    return dict(zip([o.name for o in ort.get_outputs()], ort.run(None, {"images": images}), strict=True))


def test_everything_is_there(int8_artifact):
    assert {path.name for path in int8_artifact.iterdir()} >= {"model.onnx", "manifest.json", "preview.png", ".hydra"}
    assert [path.name for path in int8_artifact.parent.iterdir() if path.name.startswith(".")] == []


def test_the_manifest_follows_its_schema(int8_artifact):
    values = json.loads((int8_artifact / "manifest.json").read_text())
    jsonschema.validate(values, Manifest.model_json_schema())


def test_the_manifest_says_what_the_artifact_is(int8_artifact):
    manifest, model = read_manifest(int8_artifact), onnx.load(int8_artifact / "model.onnx")
    assert manifest.artifact.sha256 == file_digest(int8_artifact / "model.onnx")
    assert manifest.artifact.operators == collections.Counter(node.op_type for node in model.graph.node)
    assert manifest.input.dtype == "uint8"
    assert manifest.input.shape == [1, 3, 160, 160]
    assert manifest.model.class_names == list(CLASS_NAMES)
    assert manifest.model.class_names_from == "weights"  # of the demo's file
    assert manifest.model.parameters > 19_000_000
    assert manifest.quantization.convolutions.model_dump() == {
        "int8": 94,
        "float": 6,
        "left_in_float": [f"heads.head{i}.{kind}_pred/Conv" for i in (1, 2, 3) for kind in ("reg", "cls")],
    }
    assert manifest.calibration is not None
    assert manifest.calibration.num_images == 8
    assert manifest.proof.postprocessing.unexplained == 0
    assert manifest.recipe.name == "yolo_nas_s_int8"


def test_a_runtime_finds_the_same_facts_inside(int8_artifact):
    manifest = json.loads((int8_artifact / "manifest.json").read_text())
    inside = session(int8_artifact / "model.onnx").get_modelmeta().custom_metadata_map
    assert json.loads(inside["class_names"]) == manifest["model"]["class_names"]
    for key in ("source", "trained"):  # who said so does not change the artifact's bytes
        del manifest["preprocessing"][key]
    for section in ("input", "preprocessing", "postprocessing"):
        assert json.loads(inside[section]) == manifest[section]


def test_nothing_tells_where_it_was_made(int8_artifact):
    model = (int8_artifact / "model.onnx").read_bytes()
    manifest = json.loads((int8_artifact / "manifest.json").read_text())
    del manifest["run"]
    for trace in (str(Path.home()), str(Path.cwd()), "site-packages", str(int8_artifact.parent)):
        assert trace.encode() not in model
        assert trace not in json.dumps(manifest)


def test_bytes_go_straight_into_the_first_convolution(int8_artifact):
    graph = onnx.load(int8_artifact / "model.onnx").graph
    (pad,) = [node for node in graph.node if "images" in node.input]
    (dequantize,) = [node for node in graph.node if pad.output[0] in node.input]
    # A fourth channel of zeros, for the engine's integer kernels.
    assert [pad.op_type, dequantize.op_type] == ["Pad", "DequantizeLinear"]


@pytest.mark.slow
def test_a_batch_is_the_same_as_single_runs_bit_for_bit(float_artifact):
    images = np.stack([scene("proof", i, 96, 160).image.transpose(2, 0, 1) for i in range(4)])
    together = run(float_artifact, images)
    assert together["num_predictions"].min() > 0
    for i in range(4):
        for name, alone in run(float_artifact, images[i : i + 1]).items():
            np.testing.assert_array_equal(together[name][i], alone[0])


def test_verify(int8_artifact):
    assert len(list(verify(int8_artifact))) == 5


@pytest.mark.parametrize("what", ["bytes", "sha256", "outputs", "weights"])
def test_verify_finds_what_was_changed(int8_artifact, tmp_path, what):
    folder = tmp_path / "copy"
    subprocess.run(["cp", "-r", int8_artifact, folder], check=True)
    values = json.loads((folder / "manifest.json").read_text())
    if what == "bytes":
        values["artifact"]["bytes"] += 1
    elif what == "sha256":
        values["artifact"]["sha256"] = "0" * 64
    elif what == "outputs":
        values["outputs"][1]["shape"] = [1, 5, 4]
    else:
        data = bytearray((folder / "model.onnx").read_bytes())
        data[len(data) // 2] ^= 1
        (folder / "model.onnx").write_bytes(data)
    (folder / "manifest.json").write_text(json.dumps(values))
    with pytest.raises(BuildError):
        list(verify(folder))


def test_predict_gives_boxes_in_the_images_own_pixels(int8_artifact, tmp_path):
    from exporter.report.drawing import write_png

    example = scene("evaluation", 3, 480, 320)
    write_png(tmp_path / "tall picture.png", example.image)
    (tmp_path / "bad.jpg").write_text("no image")
    out = tmp_path / "out"
    arguments = [
        "predict",
        str(int8_artifact),
        str(tmp_path / "tall picture.png"),
        str(tmp_path / "bad.jpg"),
        "--out",
        str(out),
    ]
    assert main(arguments) == 1  # one image is bad, the other one is done
    (entry,) = json.loads((out / "predictions.json").read_text())
    assert (entry["width"], entry["height"]) == (320, 480)
    assert entry["detections"]
    for row in entry["detections"]:
        x1, y1, x2, y2 = row["box"]
        assert 0 <= x1 <= x2 <= 320
        assert 0 <= y1 <= y2 <= 480
        assert row["name"] == CLASS_NAMES[row["class"]]
    assert (out / "tall picture.png").exists()


@pytest.mark.slow
def test_the_frigate_recipe(tmp_path):
    overrides = ["input.size=96", "proof.num_scenes=2", f"output_dir={tmp_path / 'out'}"]
    manifest = exporter.build("yolo_nas_s_frigate", overrides)
    assert manifest.input.channels == "bgr"
    (output,) = manifest.outputs
    assert output.name == "flat_predictions"
    table = run(tmp_path / "out", np.full((1, 3, 96, 96), 114, np.uint8))["flat_predictions"]
    assert table.shape[1] == 7
    assert len(table) <= 20


def test_a_build_that_fails_leaves_the_last_artifact(tmp_path):
    overrides = [*saved_detector(tmp_path), "proof.num_images=2", f"output_dir={tmp_path / 'out'}"]
    exporter.build(overrides=overrides)
    before = file_digest(tmp_path / "out" / "model.onnx")
    with pytest.raises(BuildError, match="max_score_error"):
        exporter.build(overrides=[*overrides, "postprocessing/format=flat", "proof.max_score_error=1e-12"])
    assert file_digest(tmp_path / "out" / "model.onnx") == before
    with pytest.raises(RequestError, match="no such ONNX file"):
        exporter.build(overrides=[*overrides, "model.weights=nowhere.onnx"])
    assert file_digest(tmp_path / "out" / "model.onnx") == before


@pytest.mark.slow
def test_the_same_recipe_gives_the_same_bytes_anywhere(tmp_path):
    digests = set()
    for name in ("a", "b c"):
        folder = tmp_path / name
        folder.mkdir()
        overrides = [
            "+recipe=yolo_nas_s_int8",
            "input.size=64",
            "calibration.num_images=4",
            "proof.num_scenes=0",
            "proof.num_images=2",
            "store.path=none",
        ]
        subprocess.run([sys.executable, "-m", "exporter", *overrides], cwd=folder, check=True, capture_output=True)
        digests.add(file_digest(folder / "outputs" / "yolo_nas_s_int8" / "model.onnx"))
    assert len(digests) == 1


@pytest.mark.slow
def test_a_sweep_goes_on_after_a_failure(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    overrides = ["-m", "+recipe=yolo_nas_s", "input.size=64,65", "proof.num_scenes=0", "proof.num_images=1"]
    assert main(overrides) == 1
    assert "input.size=65" in capsys.readouterr().err
    (built,) = tmp_path.glob("outputs/sweep/*/model.onnx")
    assert "input.size=64" in built.parent.name


def test_a_loader_of_the_users_own(tmp_path, monkeypatch, capsys):
    (tmp_path / "mine.py").write_text(
        "import torch\n"
        "def loader(count):\n"
        "    images = torch.randint(0, 256, (count, 3, 64, 96), dtype=torch.uint8)\n"
        "    data = torch.utils.data.TensorDataset(images, torch.zeros(count))\n"
        "    return torch.utils.data.DataLoader(data, batch_size=2)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    overrides = [
        *saved_detector(tmp_path),
        "quantization=int8",
        "proof.mean_score_error=1",
        "proof.mean_box_error=99",
    ]
    overrides += [
        "calibration=custom",
        "calibration._target_=mine.loader",
        "+calibration.count=5",
        "calibration.num_images=3",
    ]
    assert main(overrides) == 2
    assert "trust=mine" in capsys.readouterr().err
    assert main([*overrides, "trust=mine"]) == 0
    manifest = read_manifest(tmp_path / "outputs" / "onnx")
    assert manifest.calibration is not None
    assert (manifest.calibration.name, manifest.calibration.num_images) == ("custom", 3)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["yolo_nas_m", "yolo_nas_l", "yolo_nas_m_int8", "yolo_nas_l_int8"])
def test_the_recipes_without_demo_weights(tmp_path, name):
    overrides = ["model.weights=random", "input.size=96", f"output_dir={tmp_path / name}"]
    overrides += ["calibration=demo", "calibration.num_images=2"] if "int8" in name else []
    manifest = exporter.build(name, overrides)
    assert manifest.model.weights.source.startswith("random")
    assert manifest.proof.postprocessing.unexplained == 0
