"""Writes int8 activations as uint8, the form that ONNX Runtime's CPU kernels are fast with.

Both the integer and its zero point grow by 128, so every real stays what it was:

    scale · ((q + 128) − (z + 128)) = scale · (q − z)
"""

import numpy as np
import onnx
import onnx_ir as ir

from exporter.graph.initializers import constant, drop_unused


def unsigned_pairs(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in which no pair has int8 between QuantizeLinear and DequantizeLinear. What is stored as int8 (weights) is
    left alone."""
    changed = ir.from_proto(model)
    graph = changed.graph
    for node in graph:
        zero_point = node.inputs[2] if node.op_type == "QuantizeLinear" and len(node.inputs) > 2 else None
        if zero_point is None or zero_point.const_value is None or zero_point.const_value.dtype != ir.DataType.INT8:
            continue
        integers = node.outputs[0]
        readers = [user.node for user in integers.uses()]
        if all(reader.op_type == "DequantizeLinear" for reader in readers):
            shifted = _shifted(graph, zero_point)
            for each in (node, *readers):
                each.replace_input_with(2, shifted)
            integers.type = ir.TensorType(ir.DataType.UINT8)
    drop_unused(graph)
    return ir.to_proto(changed)


def _shifted(graph: ir.Graph, zero_point: ir.Value) -> ir.Value:
    """The zero point plus 128 as a constant; several pairs may share it."""
    name = f"{zero_point.name}/unsigned"
    if name not in graph.initializers:
        assert zero_point.const_value is not None
        array = (zero_point.const_value.numpy().astype(np.int16) + 128).astype(np.uint8)
        constant(graph, name, array)
    return graph.initializers[name]
