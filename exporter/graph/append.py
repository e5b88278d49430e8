"""Grows new operators on the outputs of a finished graph."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from exporter.graph.scopes import Scope

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

Op = Any
"""onnxscript's `OpBuilder`: `op.TopK(x, [3])` writes a node. It looks operators up by name, so no type lists them."""

Tensor = Any
"""onnx-ir's `Value`, with a shape: numbers, or symbols for dimensions that are known only when the graph runs."""

Outputs = dict[str, tuple[Tensor, Sequence[Any]]]
"""The new outputs: name → (tensor, its shape: numbers, names or dimensions of other tensors)."""


def append(
    model: "onnx.ModelProto", scope: Scope, tail: Callable[[Op, dict[str, Tensor]], Outputs],
    beside: "Sequence[onnx.ValueInfoProto]" = (),
) -> "onnx.ModelProto":  # fmt: skip
    """A copy of `model` with `tail` written behind its outputs, in the model's own opset.

    `tail(op, values)` gets the model's outputs by name, and those of its inputs that are `beside`, and returns the new
    ones. Nodes and tensors are named after
    their operator below `scope` (`nms/TopK`, `nms/TopK_2`); the names in `model` stay, except that an output which
    `tail` hands on as it came is renamed to its new name.
    """
    import onnx

    from exporter.graph import facts

    added, renamed = written([*model.graph.output, *beside], facts.opset(model), scope, tail)
    imported = {entry.domain for entry in model.opset_import}
    others = {node.domain for node in added.node} - imported  # of plugins, which have no versions

    grown = onnx.ModelProto()
    grown.CopyFrom(model)
    for node in grown.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]
    known = {info.name for info in grown.graph.value_info}
    for output in model.graph.output:  # what was an output keeps its shape on record
        if output.name not in renamed and output.name not in known:
            grown.graph.value_info.append(output)
    del grown.graph.output[:]
    grown.graph.node.extend(added.node)
    grown.graph.initializer.extend(added.initializer)
    grown.graph.output.extend(added.output)
    grown.opset_import.extend(onnx.helper.make_opsetid(domain, 1) for domain in sorted(others))
    return grown


def written(
    inputs: "Iterable[onnx.ValueInfoProto]", opset: int, scope: str, tail: Callable[[Op, dict[str, Tensor]], Outputs]
) -> "tuple[onnx.GraphProto, dict[str, str]]":
    """What `tail` writes behind these tensors as a graph of its own, and the inputs that it hands on as they came: old
    name → new one."""
    import onnx_ir as ir
    from onnxscript import GraphBuilder

    values = {value.name: ir.from_proto(value) for value in inputs}
    graph = ir.Graph(inputs=list(values.values()), outputs=[], nodes=[], opset_imports={"": opset}, name=scope)
    results = tail(GraphBuilder(graph).op, values)
    _name_by_operator(graph, scope)
    renamed = {}
    for name, (value, shape) in results.items():
        if value in graph.inputs:
            renamed[value.name] = name
        value.name, value.shape = name, ir.Shape(shape)
        graph.outputs.append(value)
    return ir.to_proto(graph), renamed


def _name_by_operator(graph: "ir.Graph", scope: str) -> None:
    """The builder's own names count the nodes of the whole graph; these survive an edit elsewhere."""
    import onnx_ir as ir

    seen: Counter[str] = Counter()
    for node in ir.traversal.RecursiveGraphIterator(graph):
        seen[node.op_type] += 1
        count = seen[node.op_type]
        node.name = f"{scope}/{node.op_type}" if count == 1 else f"{scope}/{node.op_type}_{count}"
        node.metadata_props.clear()
        for i, value in enumerate(node.outputs):
            value.name = node.name if i == 0 else f"{node.name}:{i}"
    for value in list(graph.initializers.values()):
        value.name = f"{scope}/{value.name}"
