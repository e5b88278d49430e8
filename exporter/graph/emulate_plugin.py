"""Makes a graph with TensorRT's plugin EfficientNMS_TRT run where there is no TensorRT: for proofs, previews and
measurements on a CPU. The node is replaced by standard operators; the artifact on the disk stays as it is. Written from
the plugin's README and the comments of its published kernels (NVIDIA/TensorRT, plugin/efficientNMSPlugin); the tests
hold it against the same in plain numpy.

    pairs above the threshold, the best 4096, best first:   TopK over [B, N·C]
    suppression within a class, or across all of them:      NonMaxSuppression over the boxes of these pairs
    what is kept, in that order, cut and padded:            TopK over their ranks

ONNX compares with >, the plugin with >=: for float32, x ≥ t is x > the float32 below t.
Letters: B images, N boxes, C classes, K pairs.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from exporter.common.errors import BuildError
from exporter.graph import facts
from exporter.graph.append import Op, Outputs, Tensor, written
from exporter.graph.core_outputs import PLUGIN, PLUGIN_DOMAIN, PLUGIN_SELECTS


@dataclass(frozen=True)
class Attributes:
    """The plugin's attributes, by its own names.

    score_activation: the scores are logits; the threshold is compared before the sigmoid and only what is kept gets it.
    box_coding: 0 for x1, y1, x2, y2 (any two opposite corners), 1 for the centre, width and height.
    background_class: the class that is no detection, -1 for none.
    """

    score_threshold: float
    iou_threshold: float
    max_output_boxes: int
    background_class: int = -1
    score_activation: bool = False
    class_agnostic: bool = False
    box_coding: int = 0


_LOWEST = float(np.finfo(np.float32).min)  # the score of what is no candidate: below every threshold


def has_plugin(model: bytes | Path) -> bool:
    """Whether a serialized graph or file has the plugin."""
    content = model if isinstance(model, bytes) else model.read_bytes()
    return PLUGIN.encode() in content and PLUGIN_DOMAIN.encode() in content


def emulated(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of `model` with standard operators in place of each plugin node, whose outputs keep their names.

    Raises BuildError for attributes and inputs that the exporter never writes: `box_coding`, a background class,
    anchors as a third input.
    """
    replaced = onnx.ModelProto()
    replaced.CopyFrom(model)
    del replaced.graph.node[:]
    types = _types(model)
    for node in model.graph.node:
        if node.op_type != PLUGIN:
            replaced.graph.node.append(node)
            continue
        tail = partial(_tail, attributes=_attributes(node), names=list(node.output))
        graph, _ = written([types[name] for name in node.input], facts.opset(model), node.name, tail)
        replaced.graph.node.extend(graph.node)
        replaced.graph.initializer.extend(graph.initializer)
    return replaced


def _types(model: onnx.ModelProto) -> dict[str, onnx.ValueInfoProto]:
    """Type and shape of every tensor that has them; an output that was only added to be looked at may have none."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    values = (*graph.output, *graph.input, *graph.value_info)
    return {value.name: value for value in values if value.type.tensor_type.HasField("shape")}


def _attributes(node: onnx.NodeProto) -> Attributes:
    given: dict[str, Any] = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    given.pop("plugin_version", None)
    try:
        attributes = Attributes(**given)
    except TypeError as error:
        raise BuildError(f"{node.name}: {', '.join(given)} are not the attributes of {PLUGIN}") from error
    if attributes.box_coding or attributes.background_class != -1 or len(node.input) != 2:
        raise BuildError(
            f"{node.name}: only boxes given by corners, without a background class and without anchors, can be emulated"
        )
    return attributes


def _tail(op: Op, inputs: dict[str, Tensor], attributes: Attributes, names: list[str]) -> Outputs:
    boxes, scores = inputs.values()  # [B, N, 4], [B, N, C]
    batch, num_boxes, num_classes = scores.shape
    limit, fixed = attributes.max_output_boxes, isinstance(num_boxes, int)
    pairs = op.Reshape(scores, [0, -1])  # [B, N·C]
    k = [min(PLUGIN_SELECTS, num_boxes * num_classes)] if fixed else op.Min([PLUGIN_SELECTS], op.Shape(pairs, start=1))
    best, index = op.TopK(pairs, k, axis=1, _outputs=2)  # [B, K], ties by box and then by class
    box = op.Unsqueeze(op.Div(index, num_classes), [2])
    corners = op.GatherND(boxes, box, batch_dims=1)  # [B, K, 4]
    classes = op.Mod(index, num_classes)  # [B, K]

    rivals = op.Unsqueeze(best, [1])  # [B, 1, K]
    if not attributes.class_agnostic:
        own = op.Equal(op.Unsqueeze(classes, [1]), ir.tensor(np.arange(num_classes)[:, None], name="classes"))
        rivals = op.Where(own, rivals, _LOWEST)  # [B, C, K]
    least, overlap = _below(threshold_of(attributes)), _below(np.float32(attributes.iou_threshold))
    rows = op.NonMaxSuppression(corners, rivals, PLUGIN_SELECTS, overlap, least)  # [kept, 3]: image, class, pair
    places = op.Gather(rows, [0, 2], axis=1)  # a pair is of one class, so image and pair say which it is
    ones = op.Expand(ir.tensor(np.array([1], np.int64), name="one"), op.Shape(rows, end=1))
    kept = op.ScatterND(op.ConstantOfShape(op.Shape(best), value=ir.tensor(np.array([0], np.int64))), places, ones)

    # The pairs are in order: the kept ones with the lowest indices are the best of them.
    some = [min(limit, k[0])] if fixed else op.Min([limit], k)
    chosen, rank = op.TopK(kept, some, axis=1, _outputs=2)  # [B, max] once padded: 1 where there is a detection
    padding = op.Concat([0, 0, 0], op.Sub([limit], some), axis=0)
    chosen, rank = op.Pad(chosen, padding), op.Pad(rank, padding)
    final = op.GatherElements(best, rank, axis=1)
    count = op.Cast(op.ReduceSum(chosen, [1], keepdims=1), to=ir.DataType.INT32)
    outputs = (
        (count, [batch, 1]),
        (op.GatherND(corners, op.Unsqueeze(rank, [2]), batch_dims=1), [batch, limit, 4]),
        (op.Sigmoid(final) if attributes.score_activation else final, [batch, limit]),
        (op.Cast(op.GatherElements(classes, rank, axis=1), to=ir.DataType.INT32), [batch, limit]),
    )
    return dict(zip(names, outputs, strict=True))


def threshold_of(attributes: Attributes) -> np.float32:
    """What a score is compared with, as the plugin has it: before the sigmoid, ln(t / (1 - t)), and -32768 for 0."""
    given = np.float32(attributes.score_threshold)
    if not attributes.score_activation:
        return given
    with np.errstate(divide="ignore"):
        return np.float32(-(2**15)) if given <= 0 else np.log(given / (np.float32(1) - given))


def _below(x: np.float32) -> float:
    return float(np.nextafter(x, np.float32(-np.inf)))
