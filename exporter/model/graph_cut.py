"""A graph that ends earlier: at tensors inside of it that the recipe names, in front of what is not wanted."""

from collections.abc import Sequence
from difflib import get_close_matches

import onnx

from exporter.common.errors import RequestError
from exporter.graph.walk import leading_to


def cut(given: onnx.ModelProto, names: Sequence[str], label: str) -> onnx.ModelProto:
    """A copy whose outputs are these tensors, without what leads to none of them: nodes, constants and inputs.

    Raises RequestError for a name that no node gives, and for a tensor whose type and rank no inference tells."""
    known = inferred(given)
    computed = {name for node in given.graph.node for name in node.output if name}
    if missing := [name for name in names if name not in computed]:
        near = get_close_matches(missing[0], computed, n=4, cutoff=0.4) or sorted(computed)[-4:]
        raise RequestError(f"model.cut: {label} computes no {missing[0]!r}; near ones: {', '.join(near)}")
    if unknown := [name for name in names if name not in known or not known[name].type.tensor_type.HasField("shape")]:
        raise RequestError(
            f"model.cut: of {unknown[0]!r} no inference tells the shape: cut at another tensor of {label}"
        )
    shorter = onnx.ModelProto()
    shorter.CopyFrom(given)
    graph = shorter.graph
    nodes, needed = leading_to(names, given.graph)
    del graph.output[:], graph.node[:], graph.initializer[:], graph.input[:]
    graph.output.extend(known[name] for name in names)
    graph.node.extend(nodes)
    graph.initializer.extend(tensor for tensor in given.graph.initializer if tensor.name in needed)
    graph.input.extend(value for value in given.graph.input if value.name in needed)
    return shorter


def inferred(model: onnx.ModelProto) -> dict[str, onnx.ValueInfoProto]:
    """What inference tells of the tensors that its nodes give, by name."""
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    return {value.name: value for value in (*graph.value_info, *graph.output)}
