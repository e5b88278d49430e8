"""A backend, an NMS, a format, a quantizer, two data sets and a network of a package outside: a YAML and a module each."""

import json

import onnxruntime
import pytest

import exporter
from exporter.cli import main
from tests.outside.acme.plain import Plain

ACME = ["hydra.searchpath=[pkg://tests.outside.acme.conf]", "trust=[tests.outside.acme]"]
SMALL = ["input.size=64", "proof.num_images=2", "proof.num_scenes=0", "store.path=none"]
OPTIONS = [
    "model=small", "backend=plain", "quantization=rounded", "calibration=greys", "evaluation=squares",
    "postprocessing/nms=best", "postprocessing/format=table",
]  # fmt: skip


def test_options_of_a_package_outside_build_an_artifact_that_is_proved(tmp_path, capsys):
    manifest = exporter.build(overrides=[*ACME, *OPTIONS, *SMALL, f"output_dir={tmp_path / 'out'}"])
    assert [each.name for each in manifest.outputs] == ["table"]
    assert (manifest.backend.name, manifest.postprocessing.format) == ("plain", "table")
    assert (manifest.model.name, manifest.calibration.name, manifest.calibration.num_images) == ("small", "greys", 4)
    assert manifest.quantization.precision == "12 bits of fraction"
    assert manifest.evaluation.name == "squares" and manifest.evaluation.num_images == 2
    proof = manifest.proof if isinstance(manifest.proof, dict) else manifest.proof.model_dump()
    assert proof["postprocessing"]["rows"] > 0 and proof["postprocessing"]["unexplained"] == 0
    session = onnxruntime.InferenceSession(tmp_path / "out" / "model.onnx")
    assert session.get_outputs()[0].shape == [1, 20, 6]
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["versions"]["onnxruntime"]
    beside = tmp_path / "out" / "model.plain"  # which the backend wrote
    assert manifest.intermediate["plain"].bytes == beside.stat().st_size == manifest.artifact.bytes
    exporter.build(overrides=[*ACME, *OPTIONS, *SMALL, f"output_dir={tmp_path / 'out'}"])  # over all of its files
    beside.write_bytes(b"changed")
    assert main(["verify", str(tmp_path / "out")]) == 1
    assert "sha256 of model.plain" in capsys.readouterr().err
    (tmp_path / "out" / "thesis.plain").write_text("mine")
    with pytest.raises(exporter.RequestError, match=r"files that are not an artifact's \(thesis\.plain\)"):
        exporter.build(overrides=[*ACME, *OPTIONS, *SMALL, f"output_dir={tmp_path / 'out'}"])


def test_they_are_not_imported_without_trust():
    with pytest.raises(
        exporter.RequestError, match=r"backend\._target_=tests\.outside\.acme\.plain\.Plain: not allowed"
    ):
        exporter.build(overrides=[ACME[0], *OPTIONS, *SMALL])


def test_a_class_of_another_group_is_refused():
    overrides = [*ACME, "model=small", "backend=plain", "backend._target_=tests.outside.acme.best.Best", *SMALL]
    with pytest.raises(exporter.RequestError, match=r"give a class with the base exporter\.backend\.BackendNode"):
        exporter.build(overrides=overrides)


@pytest.mark.parametrize("name", ["model.onnx", "model.engine", "a.plain", "report.html", "sub/model.x", "model"])
def test_a_backend_writes_no_file_of_another_name(name, tmp_path, monkeypatch):
    monkeypatch.setattr(Plain, "files", lambda self, artifact, feeds: {name: b""})
    with pytest.raises(exporter.BuildError, match=r"such files are called model\.ENDING"):
        exporter.build(overrides=[*ACME, *OPTIONS, *SMALL, f"output_dir={tmp_path / 'out'}"])
    assert not (tmp_path / "out").exists()
