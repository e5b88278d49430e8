"""`verify` refuses a folder whose manifest or graph was changed after the build, also where its digest was made to fit."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from exporter.artifact.verify import verify
from exporter.calibration.section import Calibration
from exporter.common.errors import BuildError, RequestError
from exporter.quantization.section import Int8
from exporter.quantization.summary import summarize
from tests.making import described
from tests.proof import spoil_detections as d
from tests.proof.bases import quantized


@pytest.fixture(scope="module")
def content() -> bytes:
    return quantized().model.SerializeToString()


@pytest.fixture
def folder(content: bytes, tmp_path: Path) -> Path:
    """What a build of the base publishes, but for the pages."""
    given, path = quantized(), tmp_path / "model.onnx"
    path.write_bytes(content)
    quantization = Int8(scheme="u8s8", **dict(summarize(given.model)))
    calibration = Calibration(name="demo", method="minmax", num_images=8, duplicates=0, digest="0", labels={},
                              bit_depth=None)  # fmt: skip
    described(path, given.loaded, given.recipe, quantization, calibration).write(tmp_path)
    return tmp_path


def put(place: str, value: Any) -> Callable[[dict], None]:
    """An edit of what the names lead to."""

    def edit(values: dict) -> None:
        *above, last = place.split(".")
        for key in above:
            values = values[key]
        values[last] = value(values[last]) if callable(value) else value

    return edit


EDITS = {
    "sha256": (put("artifact.sha256", "0" * 64), "sha256"),
    "length": (put("artifact.bytes", 1), "size in bytes"),
    "opset": (put("artifact.opset", 13), "opset"),
    "IR version": (put("artifact.ir_version", 3), "ir_version"),
    "operators": (put("artifact.operators", lambda found: found | {"Conv": 1}), "operators"),
    "name": (put("name", "other"), "metadata name"),
    "class order": (put("model.class_names", lambda names: names[::-1]), "metadata class_names"),
    "one class name less": (put("model.class_names", lambda names: names[:-1]), "class_names"),
    "input's name": (put("input.name", "image"), "input"),
    "input's dtype": (put("input.dtype", "float32"), "input"),
    "input's shape": (put("input.shape", ["batch", 3, 96, 128]), "input"),
    "channels": (put("input.channels", "bgr"), "metadata input"),
    "range": (put("input.range", [0, 1]), "metadata input"),
    "largest batch": (put("input.allowed.batch.max", 1), "metadata input"),
    "deviation": (put("preprocessing.normalization.std", [1, 1, 1]), "metadata preprocessing"),
    "grey of the padding": (put("preprocessing.geometry.padding.value", 0), "metadata preprocessing"),
    "padding's place": (put("preprocessing.geometry.padding.placement", "bottom_right"), "metadata preprocessing"),
    "margin": (put("preprocessing.geometry.resize.margin", 0), "metadata preprocessing"),
    "output's dtype": (lambda values: values["outputs"][3].update(dtype="int32"), "outputs"),
    "output's shape": (lambda values: values["outputs"][1].update(shape=["batch", 300, 4]), "outputs"),
    "order of outputs": (put("outputs", lambda outputs: outputs[::-1]), "outputs"),
    "confidence threshold": (put("postprocessing.nms.confidence_threshold", 0.6), "metadata postprocessing"),
    "NMS threshold": (put("postprocessing.nms.nms_threshold", 0.5), "metadata postprocessing"),
    "across classes": (put("postprocessing.nms.class_agnostic", True), "metadata postprocessing"),
    "format": (put("postprocessing.format", "flat"), "metadata postprocessing"),
    "precision": (put("quantization.precision", "float32"), "manifest.quantization.float32.convolutions: no such key"),
    "layers in INT8": (put("quantization.convolutions.int8", 0), "quantization.convolutions"),
    "largest weight": (put("quantization.largest_weight", 5), "quantization.largest_weight"),
}


def test_unspoiled(folder):
    assert len(list(verify(folder))) == 5


@pytest.mark.parametrize("what", EDITS)
def test_manifest_edited(what, folder):
    edit, said = EDITS[what]
    path = folder / "manifest.json"
    values = json.loads(path.read_text())
    edit(values)
    path.write_text(json.dumps(values))
    with pytest.raises((BuildError, RequestError), match=said):  # what is no manifest is a bad request
        list(verify(folder))


def metadata(key: str, change: Callable[[Any], Any]) -> Callable[[onnx.ModelProto], None]:
    """A change of what the graph says of itself."""

    def edit(model: onnx.ModelProto) -> None:
        entry = next(each for each in model.metadata_props if each.key == key)
        entry.value = json.dumps(change(json.loads(entry.value)))

    return edit


CHANGES = {
    "class order": (metadata("class_names", lambda names: names[::-1]), "metadata class_names"),
    "threshold": (
        metadata("postprocessing", lambda found: found | {"nms": found["nms"] | {"nms_threshold": 0.1}}),
        "metadata postprocessing",
    ),
    "no section": (metadata("preprocessing", lambda found: {}), "holds what no artifact does"),
    "type of the classes": (d.classes_as_float, "outputs"),
    "type of the scores": (d.scores_in_float16, "outputs"),
    "order of the outputs": (d.outputs_in_another_order, "outputs"),
    "an output less": (d.one_output_missing, "outputs"),
    "one more operator": (d.boxes_clipped, "operators"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_graph_changed_and_its_digest_made_to_fit(what, folder):
    change, said = CHANGES[what]
    model, path = onnx.load(folder / "model.onnx"), folder / "manifest.json"
    change(model)
    data, values = model.SerializeToString(), json.loads(path.read_text())
    (folder / "model.onnx").write_bytes(data)
    values["artifact"] |= {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    path.write_text(json.dumps(values))
    with pytest.raises(BuildError, match=said):
        list(verify(folder))
