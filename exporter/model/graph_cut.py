"""A graph that ends earlier: at tensors inside of it that the recipe names, in front of what is not wanted."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import product

import onnx

from exporter.common.errors import RequestError
from exporter.graph.walk import leading_to, reads, shape_of

CHOOSING = ("NonMaxSuppression", "TopK")
AS_MANY_AS_THERE_ARE = ("NonMaxSuppression", "NonZero")
"""How many rows follow depends on the image."""
DEPTH = 4  # tensors of a way back


def cut(given: onnx.ModelProto, names: Sequence[str], label: str) -> onnx.ModelProto:
    """A copy whose outputs are these tensors, without what leads to none of them: nodes, constants and inputs.

    Raises RequestError for a name that no node gives, and for a tensor whose type and rank no inference tells."""
    known = _values(given)
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


def ends_inside(model: onnx.ModelProto) -> Iterator[tuple[str, ...]]:
    """Where the graph may be cut off in front of what chooses among boxes, the nearest places first: pairs of float
    tensors [_, _, _], then single ones, that all of its outputs are computed from, or all that its first
    NonMaxSuppression reads. Shapes, which are known without the image, do not count. None where nothing chooses."""
    graph = model.graph
    first = next((node for node in graph.node if node.op_type == "NonMaxSuppression"), None)
    if first is None and not any(node.op_type in CHOOSING for node in graph.node):
        return
    before, fit = _of_the_image(graph), _may_be_read(model)
    wanted = first.input[:2] if first else [value.name for value in graph.output]
    ends = list(_backwards(graph, before, wanted))
    for pair in [sorted(each) for each in ends if len(each) == 2][:1]:
        ways = [list(_single(_backwards(graph, before, [end]), fit)) for end in pair]
        numbered = product(*(enumerate(way[:DEPTH]) for way in ways))
        for (_, one), (_, other) in sorted(numbered, key=lambda each: each[0][0] + each[1][0]):
            yield tuple(dict.fromkeys([one, other]))
    yield from ((name,) for name in _single(ends, fit))


def _of_the_image(graph: onnx.GraphProto) -> dict[str, set[str]]:
    """Of every tensor that is computed from the image what it is computed from at once."""
    images = {value.name for value in graph.input if len(shape_of(value) or ()) == 4}
    before: dict[str, set[str]] = {name: set() for name in images}
    for node in graph.node:  # a valid graph is in order
        if node.op_type != "Shape" and (read := reads(node) & before.keys()):
            before |= dict.fromkeys(node.output, read)
    return before


def _backwards(
    graph: onnx.GraphProto, before: Mapping[str, set[str]], wanted: Collection[str]
) -> Iterator[frozenset[str]]:
    """What all that is wanted is computed from, after one node less each time."""
    ends = frozenset(before.keys() & wanted)
    yield ends
    for node in reversed(graph.node):
        if ends.intersection(node.output):
            ends = ends.difference(node.output).union(*(before[name] for name in node.output if name in before))
            yield ends


def _single(ends: Iterable[frozenset[str]], fit: Collection[str]) -> Iterator[str]:
    return (name for each in ends if len(each) == 1 for name in each if name in fit)


def _may_be_read(model: onnx.ModelProto) -> set[str]:
    """The float tensors [_, _, _] whose rows are as many for every image."""
    after: set[str] = set()
    for node in model.graph.node:
        if node.op_type in AS_MANY_AS_THERE_ARE or after & reads(node):
            after.update(node.output)
    return {
        name
        for name, value in _values(model).items()
        if name not in after
        and value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
        and len(shape_of(value) or ()) == 3
    }


def _values(model: onnx.ModelProto) -> dict[str, onnx.ValueInfoProto]:
    """What inference tells of the tensors that its nodes give, by name."""
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    return {value.name: value for value in (*inferred.graph.value_info, *inferred.graph.output)}
