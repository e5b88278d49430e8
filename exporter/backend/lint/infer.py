"""Types and shapes of all values, inferred without the weights."""

import numpy as np
import onnx
from onnx import TensorProto

from exporter.graph.core_outputs import PLUGIN
from exporter.graph.walk import attribute, shape_of

KEPT = 4096
"""Elements up to which an initializer is shown to shape inference; weights would only cost it memory."""


def inferred(model: onnx.ModelProto, valid: bool) -> tuple[onnx.ModelProto, str | None]:
    """A copy without weights, with every type and shape that can be inferred, and what inference complained of. Of a
    model whose nodes are not `valid` it has the types that the file states."""
    slim = _without_weights(model)
    if not valid:
        return slim, None
    slim, problem = _infer(slim)
    if any(node.op_type == PLUGIN for node in slim.graph.node):
        _declare_plugin_outputs(slim.graph)
        slim, problem = _infer(slim)
    return slim, problem


def _without_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    slim = onnx.ModelProto(ir_version=max(model.ir_version, 4), opset_import=model.opset_import)
    graph = slim.graph
    graph.name = "graph"
    graph.node.extend(model.graph.node)
    graph.output.extend(model.graph.output)
    names = {tensor.name for tensor in model.graph.initializer}
    graph.input.extend(value for value in model.graph.input if value.name not in names)
    graph.value_info.extend(model.graph.value_info)
    for tensor in model.graph.initializer:
        if _is_small(tensor):
            graph.initializer.append(tensor)
        else:
            dims = tensor.dims if all(side >= 0 for side in tensor.dims) else None
            graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, dims))
    return slim


def _is_small(tensor: TensorProto) -> bool:
    if tensor.data_location == TensorProto.EXTERNAL or np.prod(tensor.dims, dtype=float) > KEPT:
        return False
    try:
        onnx.checker.check_tensor(tensor)
    except (onnx.checker.ValidationError, ValueError, RuntimeError):
        return False  # `structure.broken` names it
    return True


def _infer(model: onnx.ModelProto) -> tuple[onnx.ModelProto, str | None]:
    try:
        return onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True), None
    except (onnx.shape_inference.InferenceError, ValueError, RuntimeError) as error:
        # What follows from an operator that ONNX does not know is no fault of its own.
        own = [line for line in str(error).splitlines() if "expected to have type but instead is null" not in line]
        problem = own[0].removeprefix("[ShapeInferenceError] Inference error(s): ")[:300] if own else None
    try:
        return onnx.shape_inference.infer_shapes(model, data_prop=True), problem
    except (onnx.shape_inference.InferenceError, ValueError, RuntimeError):
        return model, problem


def _declare_plugin_outputs(graph: onnx.GraphProto) -> None:
    """ONNX knows no types for the plugin: those that its README states, where the file does not state them."""
    known = {value.name: value for value in (*graph.value_info, *graph.input, *graph.output)}
    for node in graph.node:
        if node.op_type != PLUGIN or len(node.output) != 4 or not node.input:
            continue
        boxes = known.get(node.input[0])
        precision = boxes.type.tensor_type.elem_type if boxes else 0
        shape = shape_of(boxes) if boxes else None
        batch, limit = shape[0] if shape else None, attribute(node, "max_output_boxes")
        limit = limit if isinstance(limit, int) and limit > 0 else None
        facts = [(TensorProto.INT32, [batch, 1]), (precision, [batch, limit, 4]), (precision, [batch, limit]),
                 (TensorProto.INT32, [batch, limit])]  # fmt: skip
        for name, (kind, dims) in zip(node.output, facts, strict=True):
            if name and name not in known and kind:
                graph.value_info.append(onnx.helper.make_tensor_value_info(name, kind, dims))
