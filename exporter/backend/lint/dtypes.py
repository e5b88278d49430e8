"""Types: what strong typing demands, and what each operator takes.

A strongly typed network casts nothing by itself: every tensor keeps the type that the file gives it.
"""

from collections.abc import Iterator

import onnx
from onnx import TensorProto

from exporter.backend.lint.operators import supported
from exporter.backend.lint.view import View, label, type_name
from exporter.graph.facts import DEFAULT

QDQ = ("QuantizeLinear", "DequantizeLinear")  # `quantization.py` looks at them
CONTROL = ("If", "Loop", "Scan")
DATA_INPUT = {"Where": 1, "OneHot": 2}
"""Where the data is not the first input."""
FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16)


def mixed(view: View) -> Iterator[tuple[str, str]]:
    """Inputs for which ONNX demands one type between them."""
    for node, schema in _schemas(view):
        if node.op_type in QDQ:
            continue
        groups: dict[str, dict[int, str]] = {}
        for name, parameter in _parameters(node, schema):
            if parameter.type_str in {c.type_param_str for c in schema.type_constraints} and parameter.is_homogeneous:
                groups.setdefault(parameter.type_str, {}).setdefault(view.types.get(name, 0), name)
        for found in groups.values():
            found.pop(0, None)  # not known
            if len(found) > 1:
                said = " and ".join(f"{name} ({type_name(kind)})" for kind, name in found.items())
                yield label(node), f"{node.op_type} of {said}: TensorRT casts neither"


def not_onnx(view: View) -> Iterator[tuple[str, str]]:
    """Inputs of a type that the operator does not take in this opset."""
    for node, schema in _schemas(view):
        allowed = {c.type_param_str: c.allowed_type_strs for c in schema.type_constraints}
        for name, parameter in _parameters(node, schema):
            takes = allowed.get(parameter.type_str, [parameter.type_str])
            kind = view.types.get(name)
            if kind and f"tensor({type_name(kind)})" not in takes:
                yield label(node), f"{name} is {type_name(kind)}, which {node.op_type} of opset {view.opset} takes not"


def operator_type(view: View) -> Iterator[tuple[str, str]]:
    """Types that ONNX allows for an operator and TensorRT does not."""
    for node in view.nodes:
        index = DATA_INPUT.get(node.op_type, 0)
        if node.domain not in DEFAULT or node.op_type in QDQ or len(node.input) <= index:
            continue
        kind, takes = view.types.get(node.input[index], 0), supported().get(node.op_type)
        if takes is None or kind in (0, TensorProto.UINT8, TensorProto.DOUBLE):  # the last two have rules of their own
            continue
        if type_name(kind).upper() not in takes:
            said = ", ".join(sorted(takes)).lower()
            yield label(node), f"{node.op_type} of {type_name(kind)} ({node.input[index]}); it takes {said}"


def double(view: View) -> Iterator[tuple[str, str]]:
    """float64, which TensorRT has not: the parser makes it float32."""
    for name, kind in view.types.items():
        producer = view.producers.get(name)
        if kind == TensorProto.DOUBLE and (name in view.consumers or producer is not None):
            yield (label(producer) if producer else name), f"{name} is double"


def uint8(view: View) -> Iterator[tuple[str, str]]:
    """Bytes: only a network's input or output, and only a Cast may touch them."""
    inputs, outputs = {v.name for v in view.inputs}, {v.name for v in view.outputs}
    for node in view.nodes:
        if node.op_type in QDQ:
            continue
        read = [name for name in node.input if view.types.get(name) == TensorProto.UINT8]
        written = [name for name in node.output if view.types.get(name) == TensorProto.UINT8]
        if not read and not written:
            continue
        if node.op_type not in ("Cast", "CastLike"):
            yield label(node), f"{node.op_type} touches bytes ({', '.join((*read, *written)[:2])})"
        elif not (set(read) <= inputs and set(written) <= outputs):
            yield label(node), f"{', '.join(read or written)} are bytes inside the network"


def _schemas(view: View) -> Iterator[tuple[onnx.NodeProto, "onnx.defs.OpSchema"]]:
    for node in view.nodes:
        if node.domain in DEFAULT and node.op_type not in CONTROL:
            try:
                yield node, onnx.defs.get_schema(node.op_type, max_inclusive_version=view.opset or 1)
            except onnx.defs.SchemaError:  # `operators.py` names it
                continue


def _parameters(
    node: onnx.NodeProto, schema: "onnx.defs.OpSchema"
) -> Iterator[tuple[str, "onnx.defs.OpSchema.FormalParameter"]]:
    """The inputs that the node gives, each with what the schema says of it."""
    formal = list(schema.inputs)
    variadic = bool(formal) and formal[-1].option == onnx.defs.OpSchema.FormalParameterOption.Variadic
    for index, name in enumerate(node.input):
        if name and (index < len(formal) or variadic):
            yield name, formal[min(index, len(formal) - 1)]
