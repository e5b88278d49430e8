"""Lets a graph refuse images of sizes that it is not made for, at the price of arithmetic on four numbers.

A network of stride 32 takes some of them without a complaint (of 95 rows it makes what it would of 96) and fails deep
inside on others. Here the input is reshaped to the size that it should have:

    target = 32 · (size // 32)   where least ≤ size ≤ most, else 0

No side of the target is longer than the input's, so it holds as many values only where every side is the same. On all
others Reshape fails, and names both shapes. (Of an image without pixels the first convolution complains.)
"""

import numpy as np
import onnx
import onnx_ir as ir

from exporter.common.geometry import STRIDE
from exporter.graph.initializers import constant

_ANY = np.iinfo(np.int64).max


def guard_sizes(model: onnx.ModelProto, least: int, most: int) -> onnx.ModelProto:
    """A copy of `model` that fails on a run where a dynamic height or width is not a multiple of `STRIDE` from `least`
    to `most`. Its one input has dimensions called "height", "width" or both."""
    guarded = ir.from_proto(model)
    graph = guarded.graph
    (images,) = graph.inputs
    assert images.shape is not None  # it has dimensions with names
    users = list(images.uses())
    free = [side in ("height", "width") for side in images.shape.dims]
    nodes: list[ir.Node] = []

    def sides(name: str, of_free: int, of_others: int) -> ir.Value:
        return constant(graph, f"guard/{name}", np.where(free, of_free, of_others).astype(np.int64))

    def add(name: str, op: str, *inputs: ir.Value, **attributes: int) -> ir.Value:
        node = ir.node(op, list(inputs), attributes, name=f"guard/{name}")
        node.outputs[0].name = node.name
        nodes.append(node)
        return node.outputs[0]

    size, stride = add("size", "Shape", images), sides("stride", STRIDE, 1)
    whole = add("whole", "Mul", add("strides", "Div", size, stride), stride)
    not_less = add("not_less", "GreaterOrEqual", size, sides("least", least, 0))
    not_more = add("not_more", "LessOrEqual", size, sides("most", most, _ANY))
    inside = add("inside", "Cast", add("both", "And", not_less, not_more), to=int(ir.DataType.INT64))
    checked = add("checked", "Reshape", images, add("target", "Mul", whole, inside), allowzero=1)
    checked.type, checked.shape = images.type, images.shape
    for user in users:
        user.node.replace_input_with(user.idx, checked)
    graph.insert_before(graph[0], nodes)
    return ir.to_proto(guarded)
