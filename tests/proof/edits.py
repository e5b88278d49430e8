"""Small changes of a graph, in place: what spoilers are made of."""

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper


def node(model: onnx.ModelProto, name: str) -> onnx.NodeProto:
    """The node of that name."""
    return next(each for each in model.graph.node if each.name == name)


def stored(model: onnx.ModelProto, name: str) -> np.ndarray:
    """The constant of that name, free to be changed."""
    return numpy_helper.to_array(next(each for each in model.graph.initializer if each.name == name)).copy()


def store(model: onnx.ModelProto, name: str, array: np.ndarray) -> None:
    """The constant of that name is now this one."""
    tensor = next(each for each in model.graph.initializer if each.name == name)
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(array), name))


def give(model: onnx.ModelProto, name: str, index: int, array: Any) -> None:
    """The input `index` of the node is now this constant, of the type of the constant that it was; others that read
    that one keep it."""
    reader = node(model, name)
    known = {each.name: each.data_type for each in model.graph.initializer}
    kind = known.get(reader.input[index])
    own = np.asarray(array, helper.tensor_dtype_to_np_dtype(kind) if kind else None)
    reader.input[index] = _constant(model, own, name)


def before(
    model: onnx.ModelProto, name: str, index: int, operator: str, *more: np.ndarray | np.generic, **attributes: Any
) -> None:
    """The input `index` of the node is now `operator` of what it was."""
    reader = node(model, name)
    added = _node(model, operator, reader.input[index], more, attributes)
    reader.input[index] = added.output[0]
    model.graph.node.insert(list(model.graph.node).index(reader), added)


def behind(
    model: onnx.ModelProto, tensor: str, operator: str, *more: np.ndarray | np.generic, **attributes: Any
) -> None:
    """The tensor is now `operator` of what it was, for all who read it and as an output."""
    place, writer = next((i, each) for i, each in enumerate(model.graph.node) if tensor in each.output)
    was = f"{tensor}/{len(model.graph.node)}"
    writer.output[:] = [was if name == tensor else name for name in writer.output]
    added = _node(model, operator, was, more, attributes)
    added.output[:] = [tensor]
    model.graph.node.insert(place + 1, added)


def declare(model: onnx.ModelProto, output: str, kind: int, shape: list[Any] | None = None) -> None:
    """The graph says that its output is of this type, and of this shape where it is given."""
    value = next(each for each in model.graph.output if each.name == output)
    value.type.tensor_type.elem_type = kind
    if shape is not None:
        value.CopyFrom(helper.make_tensor_value_info(output, kind, shape))


def cast(model: onnx.ModelProto, output: str, kind: int) -> None:
    """The output is of that type now, as the graph says too."""
    behind(model, output, "Cast", to=kind)
    declare(model, output, kind)


def _node(model: onnx.ModelProto, operator: str, first: str, more: Any, attributes: Any) -> onnx.NodeProto:
    name = f"spoiled/{len(model.graph.node)}"
    inputs = [first, *(_constant(model, each, f"{name}/{i}") for i, each in enumerate(more))]
    return helper.make_node(operator, inputs, [name], name, **attributes)


def _constant(model: onnx.ModelProto, array: np.ndarray, name: str) -> str:
    name = f"{name}/constant/{len(model.graph.initializer)}"
    model.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name))
    return name
