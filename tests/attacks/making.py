"""Folders that pretend to be artifacts: a graph of somebody's, and a manifest that agrees with it."""

import hashlib
import json
from pathlib import Path
from typing import Any

import onnx

from tests.deploy.manifests import manifest

GOOD = """<ir_version: 8, opset_import: ["": 18]>
detector (uint8[1,3,64,64] images)
 => (int64[1,1] num_predictions, float[1,2,4] pred_boxes, float[1,2] pred_scores, int64[1,2] pred_classes)
<int64[1,1] count = {2}, float[1,2,4] boxes = {1, 2, 30, 40, 5, 6, 20, 30}, float[1,2] scores = {0.9, 0.8},
 int64[1,2] classes = {0, 1}, float zero = {0}, int64 one = {0}>
{
  seen = Cast<to = 1>(images)
  mean = ReduceMean<keepdims = 0>(seen)
  nothing = Mul(mean, zero)
  pred_boxes = Add(boxes, nothing)
  pred_scores = Add(scores, nothing)
  num_predictions = Add(count, one)
  pred_classes = Add(classes, one)
}"""
"""What an artifact is, without a network: two detections whatever it sees."""


def good() -> onnx.ModelProto:
    return onnx.parser.parse_model(GOOD)


def parsed(before: str, after: str, text: str = GOOD) -> onnx.ModelProto:
    assert before in text
    return onnx.parser.parse_model(text.replace(before, after))


def artifact(folder: Path, content: bytes | onnx.ModelProto | None = None) -> dict[str, Any]:
    """Writes `model.onnx` and a manifest with its digest into the folder; the manifest's values."""
    content = good() if content is None else content
    data = content if isinstance(content, bytes) else content.SerializeToString()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(data)
    outputs = [("num_predictions", "int64", [1, 1]), ("pred_boxes", "float32", [1, 2, 4]),
               ("pred_scores", "float32", [1, 2]), ("pred_classes", "int64", [1, 2])]  # fmt: skip
    values = manifest(backend="onnxruntime", size=(64, 64), classes=8).model_dump(mode="json")
    kinds = [node.op_type for node in good().graph.node]
    values["artifact"] = {
        "file": "model.onnx", "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), "opset": 18,
        "ir_version": 8, "operators": {kind: kinds.count(kind) for kind in sorted(set(kinds))},
    }  # fmt: skip
    values["quantization"] = {"precision": "float32"}
    meanings = {"num_predictions": "detections of each image",
                "pred_boxes": "boxes x1, y1, x2, y2 in pixels of the input; not clipped",
                "pred_scores": "scores in 0..1", "pred_classes": "indices into class_names"}  # fmt: skip
    values["outputs"] = [{"name": n, "dtype": d, "shape": s, "meaning": meanings[n]} for n, d, s in outputs]
    (folder / "manifest.json").write_text(json.dumps(values))
    return values
