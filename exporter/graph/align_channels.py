"""Pads the first convolution's channels to a multiple of four, on integers.

ONNX Runtime's integer convolution multiplies four input channels at a time; with the three of an image it takes a
general way that is several times slower. The added channel meets weights of zero: the same sums, bit for bit.
"""

import numpy as np
import onnx
import onnx_ir as ir

from exporter.graph.came_quantized import came_quantized
from exporter.graph.initializers import constant

_LANES = 4


def align_channels(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of a quantized graph (see `quantization.qdq`) in which every ungrouped integer Conv reads a multiple of
    four channels: a Pad stands between QuantizeLinear and DequantizeLinear where they are fewer. Left as they are:
    weights that came quantized, and those that are not stored as integers."""
    aligned = ir.from_proto(model)
    for node in list(aligned.graph):
        grouped = "group" in node.attributes and node.attributes["group"].as_int() != 1
        if node.op_type == "Conv" and not grouped:
            read, weight = (value.producer() if value is not None else None for value in node.inputs[:2])
            if read is not None and weight is not None and _is_paired(read, weight):
                _align(aligned.graph, node, read, weight)
    return ir.to_proto(aligned)


def _is_paired(read: ir.Node, weight: ir.Node) -> bool:
    stored = weight.inputs[0] is not None and weight.inputs[0].const_value is not None
    return read.op_type == weight.op_type == "DequantizeLinear" and stored and not came_quantized(weight)


def _align(graph: ir.Graph, conv: ir.Node, read: ir.Node, weight: ir.Node) -> None:
    integers, scale, zero_point = read.inputs
    old = weight.inputs[0]
    assert integers is not None and old is not None and old.const_value is not None
    values = old.const_value.numpy()
    missing = -values.shape[1] % _LANES
    if not missing:
        return
    name = f"{conv.name}/aligned"  # of this layer: others may read the same tensor
    pads = constant(graph, f"{name}/pads", np.array([0, 0, 0, 0, 0, missing, 0, 0]))
    padded = constant(graph, f"{old.name}/aligned", np.pad(values, [(0, 0), (0, missing), (0, 0), (0, 0)]))
    pad = ir.node("Pad", [integers, pads], {"mode": "constant"}, name=f"{name}/Pad")
    pad.outputs[0].name = name
    again = ir.node("DequantizeLinear", [pad.outputs[0], scale, zero_point], name=f"{name}/DequantizeLinear")
    again.outputs[0].name = f"{name}/dequantized"
    graph.insert_before(conv, [pad, again])
    conv.replace_input_with(0, again.outputs[0])
    weight.replace_input_with(0, padded)
    del graph.initializers[old.name or ""]
    if not read.outputs[0].uses():
        graph.remove(read, safe=True)
