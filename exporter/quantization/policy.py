"""Which nodes work on integers.

By default every convolution but the last ones before the outputs, whose results a sigmoid or a softmax reads: one scale
over all of them would round small scores to zero. With `linear_layers` so do linear layers, those that predict left out
in the same way. `exclude` keeps more in float; `include` says exactly what to quantize, the last layers too if they
match; `first_n` and `last_n` keep so many of those that are left in float, counted from either end in graph order.
Operators between quantized convolutions go along, so that no tensor becomes float on the way; for an engine that fuses
activations all but those.

A pattern (`fnmatch`) matches a node by the path of its torch module or of any module above it (`heads`, `neck.*`), by
its full name (`neck.neck1.upsample/ConvTranspose`) or by its operator (`ConvTranspose`).
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

import onnx
import onnx_ir as ir

from exporter.common.errors import RequestError
from exporter.graph.operators import ACTIVATIONS, COMPUTING, LINEAR, MOVING, WEIGHTED
from exporter.quantization.qdq import positive_gain


def matching(model: onnx.ModelProto, patterns: Iterable[str], key: str) -> dict[str, list[str]]:
    """The names of the nodes that each pattern matches, in graph order. Raises RequestError for a pattern that matches
    none; `key` is the config key it stands in."""
    found = {}
    for pattern in patterns:
        found[pattern] = [n.name for n in model.graph.node if any(fnmatchcase(name, pattern) for name in _names(n))]
        if not found[pattern]:
            known = sorted({name for node in model.graph.node for name in _names(node)})
            near = get_close_matches(pattern, known, n=4, cutoff=0.4) or known[:4]
            raise RequestError(f"{key}: {pattern!r} matches no layer; near ones: {', '.join(near)}")
    return found


def _names(node: onnx.NodeProto) -> list[str]:
    modules = node.name.rpartition("/")[0].split(".")
    return [node.op_type, node.name, *(".".join(modules[:i]) for i in range(1, len(modules) + 1))]


def layers(
    model: onnx.ModelProto, include: Iterable[str], exclude: Iterable[str], linear_layers: bool = False
) -> list[str]:
    """The names of the convolutions, and with `linear_layers` of these too, to quantize, in graph order; `include` and
    `exclude` are names of nodes, and an empty `include` stands for all but the last layers. Only layers with constant
    float32 weights count. Raises RequestError where none is left."""
    graph = ir.from_proto(model).graph
    included, excluded = set(include), set(exclude)
    able = [node for node in graph if node.op_type in WEIGHTED or (linear_layers and _is_linear_layer(node))]
    if not included:
        excluded |= _last(graph, able)
    chosen = [
        node.name or ""
        for node in able
        if node.name not in excluded
        and (node.name in included or not included)
        and all(value is None or _is_weight(value) for value in node.inputs[1:])
    ]
    if not chosen:
        kinds = "convolution or linear layer" if linear_layers else "convolution"
        raise RequestError(f"quantization.include, .exclude: no {kinds} is left to quantize; use quantization=none")
    return chosen


def ends(layers: Sequence[str], first_n: int, last_n: int) -> tuple[list[str], list[str]]:
    """The first and the last of the layers, in graph order, to keep in float. They are counted among those that would
    be quantized: what stays in float anyway does not use up a number. Raises RequestError where none would be left."""
    count = len(layers)
    if first_n + last_n >= count:
        key = "last_n" if last_n > first_n else "first_n"
        raise RequestError(
            f"quantization.{key}={max(first_n, last_n)}: {count} layers would be quantized; both together keep"
            f" {first_n + last_n} in float: keep at most {count - 1} of them, or use quantization=none"
        )
    return list(layers[:first_n]), list(layers[count - last_n :])


def carried_along(
    model: onnx.ModelProto, chosen: Iterable[str], exclude: Iterable[str], fused: bool = False
) -> list[str]:
    """The names of the other nodes that go along with the chosen convolutions, in graph order: those on a way from one
    of them (or the input) to another, through operators that engines run on integers, and the Relu after each; `fused`:
    without the activations on such a way. Nothing goes along with chosen linear layers, whose results are float."""
    graph = ir.from_proto(model).graph
    wanted, excluded = set(chosen), set(exclude)
    convolutions = {node.name for node in graph if node.name in wanted and node.op_type in WEIGHTED}
    reached: set[ir.Node] = set()  # from a chosen convolution or the input
    for node in graph:
        sources = [value for value in node.inputs if value is not None and not value.is_initializer()]
        from_integers = any(v.is_graph_input() or v.producer() in reached for v in sources)
        able = node.op_type in (*MOVING, *COMPUTING) and node.name not in excluded and _has_no_constants(node)
        if node.name in convolutions or (able and from_integers):
            reached.add(node)
    leading: set[ir.Node] = set()  # to a chosen convolution
    names = []
    for node in reversed(list(graph)):
        follows = node.op_type == "Relu" and node.predecessors() and node.predecessors()[0].name in convolutions
        if node.name in convolutions or (node in reached and any(user in leading for user in node.successors())):
            leading.add(node)
        in_float = fused and node.op_type in ACTIVATIONS and positive_gain(node) is None
        if node.name not in convolutions and (node in leading or follows) and not in_float:
            names.append(node.name or "")
    return names[::-1]


def _is_weight(value: ir.Value) -> bool:
    return value.is_initializer() and value.const_value is not None and value.dtype == ir.DataType.FLOAT


def _is_linear_layer(node: ir.Node) -> bool:
    """Whether the node multiplies what it reads by a matrix of weights, adds a bias at most, and does nothing else."""
    weights = node.inputs[1] if node.op_type in LINEAR else None
    if weights is None or not _is_weight(weights) or weights.shape is None or len(weights.shape) != 2:
        return False
    plain = node.attributes.get_float("alpha", 1.0) == node.attributes.get_float("beta", 1.0) == 1
    return plain and not node.attributes.get_int("transA", 0)


def _has_no_constants(node: ir.Node) -> bool:
    """Whether all that the node computes with comes from the image; one positive factor is no obstacle."""
    constants = [value for value in node.inputs if value is not None and value.is_initializer()]
    return not constants or node.op_type in MOVING or positive_gain(node) is not None


def _last(graph: ir.Graph, layers: Iterable[ir.Node]) -> set[str]:
    """The layers from which a way leads to an output without another of them. One that reads a softmax is taken for a
    part of the decoding (the expectation of a distribution written as 1×1 Conv) and does not count."""
    able, last, seen = set(layers), set(), set()
    pending = [value.producer() for value in graph.outputs]
    while pending:
        node = pending.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if node in able:
            last.add(node.name)
            if not _reads_softmax(node):
                continue
        pending.extend(node.predecessors())
    return last


def _reads_softmax(node: ir.Node) -> bool:
    while predecessors := node.predecessors():
        node = predecessors[0]
        if node.op_type == "Softmax":
            return True
        if node.op_type not in MOVING:
            return False
    return False
