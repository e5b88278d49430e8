"""The file itself: names, declared types, the bytes of its tensors."""

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import TensorProto

from exporter.backend.lint.external import located
from exporter.backend.lint.view import View, label, type_name


def duplicate(view: View) -> Iterator[tuple[str, str]]:
    """Values that are defined more than once."""
    for name, count in view.defined.items():
        if count > 1:
            yield name, f"{count} values have this name"


def undefined(view: View) -> Iterator[tuple[str, str]]:
    """Inputs of nodes, and outputs of the graph, that nothing gives."""
    for name, readers in view.consumers.items():
        if name and name not in view.defined:
            yield label(readers[0][0]), f"reads {name}, which nothing gives"
    for value in view.outputs:
        if value.name not in view.defined:
            yield value.name, "is an output that nothing gives"


def untyped(view: View) -> Iterator[tuple[str, str]]:
    """Inputs and outputs of the graph without a type, inputs without a rank."""
    for value in (*view.inputs, *view.outputs):
        kind = value.type.WhichOneof("value")
        if kind not in (None, "tensor_type"):
            yield value.name, f"is no tensor ({kind})"
        elif not view.types.get(value.name):
            yield value.name, "has no type"
    for value in view.inputs:
        if value.type.HasField("tensor_type") and not value.type.tensor_type.HasField("shape"):
            yield value.name, "is an input without a shape"


def invalid(view: View) -> Iterator[tuple[str, str]]:
    """Nodes that ONNX's checker refuses."""
    yield from view.invalid


def inference(view: View) -> Iterator[tuple[str, str]]:
    """What ONNX's own shape inference says of the graph."""
    if view.problem:
        yield "the model", view.problem


def broken(view: View) -> Iterator[tuple[str, str]]:
    """Initializers that do not hold as many bytes as their shape needs."""
    for name, tensor in view.initializers.items():
        if tensor.data_location == TensorProto.EXTERNAL:
            continue
        wanted, held = _bytes(tensor), len(tensor.raw_data)
        if any(side < 0 for side in tensor.dims):
            yield name, f"has the shape {list(tensor.dims)}"
        elif wanted is None:
            yield name, f"is of {type_name(tensor.data_type)}"
        elif tensor.HasField("raw_data") and held != wanted:
            yield name, f"holds {held} bytes where its shape {list(tensor.dims)} needs {wanted:g}"
        elif not tensor.HasField("raw_data") and wanted and view.array(name) is None:
            yield name, f"does not hold the numbers that its shape {list(tensor.dims)} needs"


def external(view: View) -> Iterator[tuple[str, str]]:
    """Weights beside the file that are not there, or not in its own folder."""
    for name, tensor in view.initializers.items():
        if tensor.data_location == TensorProto.EXTERNAL and (why := located(tensor, view.folder)[1]):
            yield name, why


def named_as_constant(view: View) -> Iterator[tuple[str, str]]:
    """Nodes with the name of a constant that a DequantizeLinear reads: the parser makes a layer of that name of it."""
    names = {node.name for node in view.nodes}
    for node in view.nodes:
        read = node.input[0] if node.op_type == "DequantizeLinear" and node.input else ""
        if read in names and read in view.initializers:
            yield read, f"is the name of a node, and of the constant that {label(node)} reads"


def duplicate_node(view: View) -> Iterator[tuple[str, str]]:
    """Node names that stand twice: logs, profiles and refitting go by them."""
    seen: dict[str, int] = {}
    for node in view.nodes:
        if node.name:
            seen[node.name] = seen.get(node.name, 0) + 1
    yield from ((name, f"{count} nodes have this name") for name, count in seen.items() if count > 1)


def _bytes(tensor: TensorProto) -> float | None:
    """How many bytes the shape needs (a float: hostile shapes go beyond any integer); None for what has no width."""
    try:
        width = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)).itemsize
    except (KeyError, TypeError, ValueError):
        return None
    count = np.prod(tensor.dims, dtype=float)
    packed: dict[int, int] = {
        TensorProto.INT4: 2,
        TensorProto.UINT4: 2,
        TensorProto.FLOAT4E2M1: 2,
        TensorProto.INT2: 4,
        TensorProto.UINT2: 4,
    }
    return float(np.ceil(count / packed.get(tensor.data_type, 1))) * width
