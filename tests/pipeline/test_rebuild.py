"""An artifact is built again from its manifest alone: the same bytes, or the reason why not."""

import json
import shutil

import pytest

import exporter
from exporter.cli import main
from exporter.demo.scenes import scene
from exporter.report.drawing import write_png
from tests.model.graphs import saved_detector


@pytest.mark.slow
def test_the_demo_comes_out_the_same(float_artifact, capsys):
    assert main(["rebuild", str(float_artifact)]) == 0
    assert "the same bytes" in capsys.readouterr().out


@pytest.mark.slow
def test_a_changed_version_is_named(float_artifact, tmp_path, capsys):
    folder = tmp_path / "copy"
    shutil.copytree(float_artifact, folder)
    values = json.loads((folder / "manifest.json").read_text())
    values["versions"]["onnx"] = "1.0.0"
    values["artifact"]["sha256"] = "0" * 64
    (folder / "manifest.json").write_text(json.dumps(values))
    assert main(["rebuild", str(folder)]) == 1
    captured = capsys.readouterr()
    assert "package onnx 1.0.0 →" in captured.out
    assert "other bytes" in captured.err
    assert "onnx 1.0.0" in captured.err


@pytest.fixture(scope="module")
def moved(tmp_path_factory):
    """An INT8 artifact whose weights and images now lie elsewhere than when it was built."""
    place = tmp_path_factory.mktemp("moved")
    network = saved_detector(place)
    (place / "pictures").mkdir()
    for i in range(2):
        write_png(place / "pictures" / f"{i}.png", scene("calibration", i, 80, 64).image)
    overrides = [*network, "quantization=int8", "calibration=folder", f"calibration.path={place / 'pictures'}"]
    overrides += ["proof.num_images=1", "proof.mean_score_error=1", "proof.mean_box_error=1000"]
    exporter.build(overrides=[*overrides, f"output_dir={place / 'artifact'}"])
    (place / "core0.onnx").rename(place / "away.onnx")
    (place / "pictures").rename(place / "elsewhere")
    return place


def test_moved_files_are_given_their_new_place(moved, capsys):
    arguments = [
        "rebuild",
        str(moved / "artifact"),
        "--weights",
        str(moved / "away.onnx"),
        "--pictures",
        str(moved / "elsewhere"),
    ]
    assert main([*arguments, "--out", str(moved / "again")]) == 0
    assert (moved / "again" / "model.onnx").read_bytes() == (moved / "artifact" / "model.onnx").read_bytes()


def test_what_is_missing_is_asked_for(moved, tmp_path, capsys):
    assert main(["rebuild", str(moved / "artifact")]) == 2
    assert "core0.onnx: say where they lie, --weights FILE" in capsys.readouterr().err
    (tmp_path / "other.onnx").write_bytes(b"another file")
    assert main(["rebuild", str(moved / "artifact"), "--weights", str(tmp_path / "other.onnx")]) == 2
    assert "give that file" in capsys.readouterr().err
    assert main(["rebuild", str(moved / "artifact"), "--weights", str(moved / "away.onnx")]) == 2
    assert "calibration=folder): say where they lie, --pictures FOLDER" in capsys.readouterr().err
