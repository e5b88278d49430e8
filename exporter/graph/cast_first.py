"""Casts bytes where they come in. TensorRT knows uint8 only as the type of a network's input or output (onnx-tensorrt,
docs/operators.md), so what moves the image's values about, NHWC to NCHW say, has to move floats."""

import onnx
import onnx_ir as ir


def cast_first(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of `model` in which a uint8 input is cast to float32 at once, and the Cast that came later is gone.

    Requires that nothing before that Cast depends on the type. Without a uint8 input, or where it is cast first
    already, the model is returned as it is.
    """
    changed = ir.from_proto(model)
    graph = changed.graph
    images = next((value for value in graph.inputs if value.dtype == ir.DataType.UINT8), None)
    if images is None or all(use.node.op_type == "Cast" for use in images.uses()):
        return model
    later = [node for node in graph if node.op_type == "Cast" and _comes_from(node.inputs[0], images)]
    cast = ir.node("Cast", [images], {"to": int(ir.DataType.FLOAT)}, name="preprocessing/ToFloat")
    result = cast.outputs[0]
    result.name, result.type, result.shape = cast.name, ir.TensorType(ir.DataType.FLOAT), images.shape
    images.replace_all_uses_with(result)
    cast.replace_input_with(0, images)
    graph.insert_before(graph[0], cast)
    for node in later:
        value = node.inputs[0]
        assert value is not None
        node.outputs[0].replace_all_uses_with(value)
        graph.remove(node, safe=True)
    for node in graph:
        for value in node.outputs:
            if value.dtype == ir.DataType.UINT8:
                value.type = result.type
    return ir.to_proto(changed)


def _comes_from(value: ir.Value | None, source: ir.Value) -> bool:
    """Whether `value` is `source` moved about: along first inputs, through nodes that are not a Cast."""
    while value is not None and value is not source:
        node = value.producer()
        if node is None or node.op_type == "Cast" or not node.inputs:
            return False
        value = node.inputs[0]
    return value is source
