"""Other names for tensors that nodes compute, or that are stored."""

from collections.abc import Iterable, Mapping

import onnx

from exporter.graph.core_outputs import displaced


def renamed(model: onnx.ModelProto, names: Mapping[str, str]) -> onnx.ModelProto:
    """A copy with these new names, by the old ones, in place of those of computed and stored tensors."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    graph = changed.graph
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for value in (*graph.output, *graph.value_info, *graph.initializer):
        value.name = names.get(value.name, value.name)
    return changed


def without(model: onnx.ModelProto, taken: Iterable[str]) -> onnx.ModelProto:
    """A copy in which no tensor inside has one of the names `taken`, which outputs are to get: see `displaced`. The
    same model where none has."""
    graph = model.graph
    inside = {name for node in graph.node for name in node.output} | {tensor.name for tensor in graph.initializer}
    inside -= {output.name for output in graph.output}
    names = {name: displaced(name) for name in taken if name in inside}
    return renamed(model, names) if names else model
