"""An average over windows, on integers, as a depthwise convolution: weights of 1 with the scale 1 / (height · width).

The same sums, and one rounding (of ties to the other side at times). ONNX Runtime's integer AveragePool goes element by
element: of [1, 32, 160, 160] it took 3.5 ms, its depthwise convolution 0.8 (2 threads). YOLOv9 has five of them.
"""

import math

import numpy as np
import onnx
import onnx_ir as ir

from exporter.graph.came_quantized import came_quantized
from exporter.graph.initializers import constant

_ONES = "/ones"  # the names of the weights end so
LARGEST = 25  # numbers of a window; beyond it AveragePool is as fast, and the weights are many


def pool_as_conv(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of a quantized graph (see `quantization.qdq`) in which each AveragePool between DequantizeLinear and
    QuantizeLinear, without padding, of a small window and a known number of channels, is such a Conv of the same name.
    One that came quantized stays: it would be rounded otherwise than in the file."""
    changed = ir.from_proto(model)
    for node in list(changed.graph):
        if node.op_type == "AveragePool" and _is_on_integers(node) and _is_plain(node):
            _replace(changed.graph, node)
    return ir.to_proto(changed)


def is_average(node: onnx.NodeProto) -> bool:
    """Whether a convolution is one of those: it has learnt nothing, and is not counted among the network's."""
    return node.input[1].endswith(f"{_ONES}/dequantized")


def _is_on_integers(node: ir.Node) -> bool:
    read = node.inputs[0].producer() if node.inputs[0] is not None else None
    users = [user.op_type for user, _ in node.outputs[0].uses()]
    ours = read is not None and read.op_type == "DequantizeLinear" and not came_quantized(read)
    return ours and users == ["QuantizeLinear"]


def _is_plain(node: ir.Node) -> bool:
    shape, given = node.outputs[0].shape, node.attributes
    return (
        shape is not None
        and len(shape) == 4
        and shape.is_static(1)
        and math.prod(given.get_ints("kernel_shape", ())) <= LARGEST
        and not any(given.get_ints("pads", ()))
        and not given.get_int("ceil_mode", 0)
        and given.get_string("auto_pad", "NOTSET") in ("NOTSET", "VALID")
        and set(given.get_ints("dilations", (1,))) == {1}
    )


def _replace(graph: ir.Graph, node: ir.Node) -> None:
    result, kernel = node.outputs[0], node.attributes["kernel_shape"].as_ints()
    assert result.shape is not None
    channels, name = result.shape[1], f"{result.name}{_ONES}"
    assert isinstance(channels, int)
    ones = constant(graph, name, np.ones((channels, 1, *kernel), np.int8))
    scale = constant(graph, f"{name}/scale", np.array(1 / math.prod(kernel), np.float32))
    weight = ir.node("DequantizeLinear", [ones, scale], name=f"{name}/DequantizeLinear")
    weight.outputs[0].name = f"{name}/dequantized"
    graph.insert_before(node, weight)
    kept = {key: node.attributes[key] for key in ("kernel_shape", "strides") if key in node.attributes}
    node.op_type = "Conv"
    node.attributes.clear()
    node.attributes.update({**kept, "group": ir.AttrInt64("group", channels)})
    node.resize_inputs(2)
    node.replace_input_with(1, weight.outputs[0])
