"""A ReduceMean over height and width as a GlobalAveragePool, which computes the same: ONNX Runtime runs the second on
integers, and for the first goes back to float and on to integers again."""

import onnx
import onnx_ir as ir

from exporter.graph.initializers import drop_unused


def as_pooling(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of `model` in which each such mean of an image [B, C, H, W] is a GlobalAveragePool of the same name."""
    changed = ir.from_proto(model)
    for node in changed.graph:
        if node.op_type == "ReduceMean" and _is_over_the_image(node):
            node.op_type = "GlobalAveragePool"
            node.resize_inputs(1)
            node.attributes.clear()
    drop_unused(changed.graph)
    return ir.to_proto(changed)


def _is_over_the_image(node: ir.Node) -> bool:
    image = node.inputs[0]
    if image is None or image.shape is None or len(image.shape) != 4 or not node.attributes.get_int("keepdims", 1):
        return False
    given = node.inputs[1] if len(node.inputs) > 1 else None  # since opset 18; before it they are an attribute
    constant = given.const_value if given is not None else None
    axes = constant.numpy().tolist() if constant is not None else node.attributes.get_ints("axes", ())
    return sorted(axis % 4 for axis in axes) == [2, 3]
