"""Where a graph that chooses among its boxes itself may be cut off in front of that, for `exporter inspect` to try."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain, product

import onnx

from exporter.graph import walk
from exporter.model.graph_cut import inferred

CHOOSING = ("NonMaxSuppression", "TopK")
VARIABLE_ROWS = ("NonMaxSuppression", "NonZero")
"""Operators whose results have as many rows as the image has objects."""
MAX_STEPS = 3
"""Tensors that are tried on the way back from each of two."""


def cut_places(model: onnx.ModelProto) -> Iterator[tuple[str, ...]]:
    """Pairs of float tensors [_, _, _], then single ones, from which all of the outputs are computed that an NMS or a
    TopK leads to, the nearest to the outputs first; none where one NMS stands behind another, which chooses among other
    boxes. Shapes, which are known without the image, do not count."""
    graph = model.graph
    if _in_two_stages(graph):
        return
    wanted = [value.name for value in graph.output if _is_chosen(graph, value.name)]
    direct, readable = _direct_inputs(graph), _readable(model)
    backwards = list(_backwards(graph, direct, wanted))
    pair = next((each for each in backwards if len(each) == 2 and each <= readable), ())
    ways = [_single(_backwards(graph, direct, [end]), readable)[:MAX_STEPS] for end in sorted(pair)]
    nearest = sorted(product(*map(enumerate, ways)), key=lambda each: sum(steps for steps, _ in each))
    pairs = [frozenset(name for _, name in each) for each in nearest if each]
    singles = [frozenset([name]) for name in _single(backwards, readable)]
    yield from (tuple(sorted(each)) for each in dict.fromkeys(chain(pairs, singles)))


def _in_two_stages(graph: onnx.GraphProto) -> bool:
    behind: set[str] = set()
    for node in graph.node:  # a valid graph is in order
        nms, follows = node.op_type == "NonMaxSuppression", bool(behind & walk.reads(node))
        if nms and follows:
            return True
        if nms or follows:
            behind.update(node.output)
    return False


def _is_chosen(graph: onnx.GraphProto, output: str) -> bool:
    return any(node.op_type in CHOOSING for node in walk.nodes(walk.leading_to([output], graph)[0]))


def _direct_inputs(graph: onnx.GraphProto) -> dict[str, set[str]]:
    """Of every tensor that is computed from an image: the inputs of its node that are so too."""
    images = [value.name for value in walk.inputs(graph) if len(walk.shape_of(value) or ()) == 4]
    direct: dict[str, set[str]] = {name: set() for name in images}
    for node in graph.node:  # a valid graph is in order
        if node.op_type != "Shape" and (read := walk.reads(node) & direct.keys()):
            direct |= dict.fromkeys(node.output, read)
    return direct


def _backwards(
    graph: onnx.GraphProto, direct: Mapping[str, set[str]], wanted: Collection[str]
) -> Iterator[frozenset[str]]:
    """Sets of tensors that all of the wanted ones are computed from, each with one node less behind it."""
    ends = frozenset(direct.keys() & wanted)
    yield ends
    for node in reversed(graph.node):
        if ends.intersection(node.output):
            ends = ends.difference(node.output).union(*(direct[name] for name in node.output if name in direct))
            yield ends


def _single(backwards: Iterable[frozenset[str]], readable: Collection[str]) -> list[str]:
    return [name for each in backwards if len(each) == 1 for name in each if name in readable]


def _readable(model: onnx.ModelProto) -> set[str]:
    """The float tensors [_, _, _] whose rows are as many for every image."""
    variable: set[str] = set()
    for node in model.graph.node:
        if node.op_type in VARIABLE_ROWS or variable & walk.reads(node):
            variable.update(node.output)
    return {
        name
        for name, value in inferred(model).items()
        if name not in variable
        and value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
        and len(walk.shape_of(value) or ()) == 3
    }
