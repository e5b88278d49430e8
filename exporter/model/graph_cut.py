"""A graph that ends earlier: at tensors inside of it that the recipe names, in front of what is not wanted."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import islice, product

import onnx

from exporter.common.errors import RequestError
from exporter.graph.walk import leading_to, reads, shape_of

CHOOSING = ("NonMaxSuppression", "TopK")
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
    known, before = _values(model), _of_the_image(graph)

    def ways(ends: Collection[str], count: int) -> Iterator[tuple[str, ...]]:
        for each in _backwards(graph, before, ends):
            if len(each) == count and (count > 1 or all(_may_be_read(known.get(name)) for name in each)):
                yield tuple(sorted(each))

    wanted = first.input[:2] if first else [value.name for value in graph.output]
    for pair in islice(ways(wanted, 2), 1):
        numbered = product(*(enumerate(islice(ways([end], 1), DEPTH)) for end in pair))
        for (_, one), (_, other) in sorted(numbered, key=lambda each: each[0][0] + each[1][0]):
            yield tuple(dict.fromkeys(one + other))
    yield from ways(wanted, 1)


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


def _may_be_read(value: onnx.ValueInfoProto | None) -> bool:
    return (
        value is not None
        and value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
        and len(shape_of(value) or ()) == 3
    )


def _values(model: onnx.ModelProto) -> dict[str, onnx.ValueInfoProto]:
    """What inference tells of the tensors that its nodes give, by name."""
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    return {value.name: value for value in (*inferred.graph.value_info, *inferred.graph.output)}
