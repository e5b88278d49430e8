"""Opset 18 said in the words of opset 17, for the parser of TensorRT 8.6, which reads no later one.

What the networks and the post-processing use of the two differs in one thing: the reductions but ReduceSum take their
axes as an input since 18, as an attribute before. The other operators that 18 changed got options that are not used.
"""

import numpy as np
import onnx
import onnx_ir as ir

_NEW_OPTIONS = {
    "Split": ("num_outputs",),
    "Pad": (),
    "Resize": ("antialias", "axes", "keep_aspect_ratio_policy"),
    "ScatterND": ("reduction",),
    "ScatterElements": ("reduction",),
}
"""Attributes that 17 does not know, or does not know all values of."""
_REDUCTIONS = ("ReduceMax", "ReduceMin", "ReduceMean", "ReduceProd", "ReduceL1", "ReduceL2")


def to_opset_17(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of `model` in opset 17, or `model` as it is where it is not in 18 or says what 17 cannot say."""
    lowered = ir.from_proto(model)
    if lowered.opset_imports[""] != 18 or not all(_known(node) for node in lowered.graph):
        return model
    for node in lowered.graph:
        if node.op_type in _REDUCTIONS and len(node.inputs) > 1:
            axes = node.inputs[1]
            assert axes is not None and axes.const_value is not None  # `_known` says so
            node.attributes["axes"] = ir.AttrInt64s("axes", [int(axis) for axis in axes.const_value.numpy()])
            node.replace_input_with(1, None)
            node.resize_inputs(1)
            if not axes.uses():
                del lowered.graph.initializers[axes.name or ""]
    lowered.opset_imports[""] = 17
    return ir.to_proto(lowered)


def _known(node: ir.Node) -> bool:
    if node.domain or onnx.defs.get_schema(node.op_type, 18).since_version < 18:
        return True
    if node.op_type in _REDUCTIONS:
        axes = node.inputs[1] if len(node.inputs) > 1 else None
        return axes is None or (axes.const_value is not None and bool(np.size(axes.const_value.numpy())))
    options = _NEW_OPTIONS.get(node.op_type)
    more_inputs = node.op_type == "Pad" and len(node.inputs) > 3  # axes
    return options is not None and not more_inputs and not any(name in node.attributes for name in options)
