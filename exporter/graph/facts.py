"""What a graph says of itself: the facts that a manifest states are read here, from the artifact."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx

from exporter.graph.core_outputs import INNER, PLUGIN, UNCLIPPED
from exporter.graph.walk import nodes

MEANINGS = {
    "num_predictions": "detections of each image",
    "pred_boxes": "boxes x1, y1, x2, y2 in pixels of the input; not clipped",
    "pred_scores": "scores in 0..1",
    "pred_classes": "indices into class_names",
    "flat_predictions": "rows: image index, x1, y1, x2, y2 (pixels of the input), score, class index; images in order",
}
DEFAULT = ("", "ai.onnx")
"""Names of the domain of ONNX's own operators."""
QUANTIZED = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "ConvInteger", "MatMulInteger", "QGemm")
"""Operators on integers in the place of reals, beside those whose names begin with QLinear."""
MEANINGS_OF_A_RAW_IMAGE = {
    "pred_boxes": "boxes x1, y1, x2, y2 in pixels of the frame, clipped to it",
    "flat_predictions": "rows: 0, x1, y1, x2, y2 (pixels of the frame, clipped to it), score, class index",
}
MEANINGS_OF_CLIPPED = {"pred_boxes": MEANINGS["pred_boxes"].replace("not clipped", "clipped to it")}
MEANINGS_OF_THE_PLUGIN = {
    name: f"{MEANINGS[name]}; rows from num_predictions on are unspecified"
    for name in ("pred_boxes", "pred_scores", "pred_classes")
}


def opset(model: onnx.ModelProto) -> int:
    """The version of the default operator set."""
    return next(entry.version for entry in model.opset_import if entry.domain in DEFAULT)


def operators(model: onnx.ModelProto) -> dict[str, int]:
    """How many nodes of each type, by name; operators of another domain as domain::name."""
    counts = Counter(f"{n.domain}::{n.op_type}" if n.domain else n.op_type for n in model.graph.node)
    return dict(sorted(counts.items()))


def is_quantized(model: onnx.ModelProto) -> bool:
    """Whether any of it computes on integers in the place of reals, with Q/DQ pairs or operators that take integers."""
    return any(node.op_type in QUANTIZED or node.op_type.startswith("QLinear") for node in nodes(model.graph.node))


def has_plugin(model: onnx.ModelProto) -> bool:
    """Whether TensorRT's NMS plugin is in the graph, whose integers are int32 and whose unused rows mean nothing."""
    return any(node.op_type == PLUGIN for node in nodes(model.graph.node))


def tensor(value: onnx.ValueInfoProto) -> dict[str, Any]:
    """name, dtype (numpy's name) and shape of an input or output."""
    kind = value.type.tensor_type
    return {
        "name": value.name,
        "dtype": np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)).name,
        "shape": [dim.dim_param or dim.dim_value for dim in kind.shape.dim],
    }


def outputs(model: onnx.ModelProto, own: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """The outputs with their meaning; own: what the format says of its own, by name. Behind a user's format nobody but
    its author knows it. What takes one raw image [h, w, 3] also gives boxes in its pixels."""
    takes_raw_image = len(model.graph.input[0].type.tensor_type.shape.dim) == 3
    if any(name.startswith(INNER) for node in model.graph.node for name in node.output):
        return [tensor(v) | {"meaning": "the recipe's own format"} for v in model.graph.output]
    meanings = {**MEANINGS, **(own or {})}
    if any(UNCLIPPED in node.output for node in model.graph.node):
        meanings |= MEANINGS_OF_CLIPPED
    if takes_raw_image:
        meanings |= MEANINGS_OF_A_RAW_IMAGE
    if has_plugin(model):
        meanings |= MEANINGS_OF_THE_PLUGIN
    return [tensor(v) | {"meaning": meanings.get(v.name, "the network's own")} for v in model.graph.output]
