"""Puts the normalisation of images in front of a core graph, then folds away what can be folded exactly.

The core's input is renamed `preprocessing/normalized`; the new input is `images`, of the wanted dtype and layout, with
values 0..255. What is added, each only where it is needed:

    Transpose (NHWC) → Cast → Gather (channel order) → Sub mean → Mul 1/std → core

The folds take the last ones out again: channel order and scale go into the first convolution's weights, and bytes
that are exactly the quantized input of an int8 core enter it as they are.
"""

import numpy as np
import onnx
import onnx_ir as ir

from exporter.graph.fold_input import fold_channel_order, fold_quantized_input, fold_scale
from exporter.preprocessing.normalization import Normalization

DTYPES = {"uint8": ir.DataType.UINT8, "float32": ir.DataType.FLOAT, "float16": ir.DataType.FLOAT16}


def attach_input(
    core: onnx.ModelProto, normalization: Normalization, dtype: str, layout: str, channels: str
) -> onnx.ModelProto:
    """`core` with an input `images`: dtype uint8, float32 or float16, layout nchw or nhwc, channels rgb or bgr."""
    model = ir.from_proto(core)
    _prepend(model.graph, normalization, dtype, layout, channels)
    for fold in (fold_quantized_input, fold_channel_order, fold_scale):
        fold(model.graph)
    return ir.to_proto(model)


def _prepend(graph: ir.Graph, normalization: Normalization, dtype: str, layout: str, channels: str) -> None:
    (core_input,) = graph.inputs
    assert core_input.shape is not None  # a traced input has a shape
    batch, _, height, width = core_input.shape.dims
    core_input.name = "preprocessing/normalized"
    dims = [batch, 3, height, width] if layout == "nchw" else [batch, height, width, 3]
    value = ir.Value(name="images", type=ir.TensorType(DTYPES[dtype]), shape=ir.Shape(list(dims)))
    nodes: list[ir.Node] = []

    def add(op: str, *inputs: ir.Value, **attributes: int | list[int]) -> ir.Value:
        node = ir.node(op, list(inputs), attributes, name=f"preprocessing/{op}")
        node.outputs[0].name = node.name
        node.outputs[0].type = inputs[0].type if op in ("Transpose", "Gather") else ir.TensorType(ir.DataType.FLOAT)
        nodes.append(node)
        return node.outputs[0]

    def constant(name: str, array: np.ndarray) -> ir.Value:
        tensor = ir.tensor(array, name=f"preprocessing/{name}")
        initializer = ir.Value(
            name=tensor.name, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype), const_value=tensor
        )
        graph.register_initializer(initializer)
        return initializer

    new_input = value
    if layout == "nhwc":
        value = add("Transpose", value, perm=[0, 3, 1, 2])
    if dtype != "float32":
        value = add("Cast", value, to=int(ir.DataType.FLOAT))
    order = [i if channels == "rgb" else 2 - i for i in normalization.order]
    if order != [0, 1, 2]:
        value = add("Gather", value, constant("order", np.array(order, np.int64)), axis=1)
    mean, std = (np.array(values, np.float32).reshape(1, 3, 1, 1) for values in (normalization.mean, normalization.std))
    if mean.any():
        value = add("Sub", value, constant("mean", mean))
    if (std != 1).any():
        value = add("Mul", value, constant("scale", (1 / std.astype(np.float64)).astype(np.float32)))
    core_input.replace_all_uses_with(value)
    graph.inputs[0] = new_input
    graph.insert_before(graph[0], nodes)
