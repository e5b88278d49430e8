"""The way through a graph and the graphs inside its nodes; protobuf has bounded how deep they can lie."""

from collections.abc import Collection, Iterable, Iterator

import onnx

Shape = tuple[int | str | None, ...]


def graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph, then those inside its nodes."""
    yield graph
    for node in graph.node:
        for inner in subgraphs(node):
            yield from graphs(inner)


def tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """The constants of the graph and of those inside its nodes, dense and sparse: initializers, and attributes."""
    for each in graphs(graph):
        found, sparse = list(each.initializer), list(each.sparse_initializer)
        for node in each.node:
            for held in node.attribute:
                found += [*held.tensors, *([held.t] if held.HasField("t") else [])]
                sparse += [*held.sparse_tensors, *([held.sparse_tensor] if held.HasField("sparse_tensor") else [])]
        yield from found
        for one in sparse:
            yield from (one.values, one.indices)


def nodes(outer: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """Each node, and after it those of the graphs inside it."""
    for node in outer:
        yield node
        for inner in subgraphs(node):
            yield from nodes(inner.node)


def subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """The graphs that are attributes of the node: branches of an If, the body of a Loop."""
    for found in node.attribute:
        if found.HasField("g"):
            yield found.g
        yield from found.graphs


def inputs(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    """What has to be given to it: some tools list constants among a graph's inputs."""
    constants = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in constants]


def leading_to(
    wanted: Iterable[str], graph: onnx.GraphProto, given: Collection[str] = ()
) -> tuple[list[onnx.NodeProto], set[str]]:
    """The nodes that compute these tensors, in their order, where those of `given` are there already; and the names of
    all tensors that it takes."""
    kept, needed = [], set(wanted) - set(given)
    for node in reversed(graph.node):  # a valid graph is in order
        if needed.intersection(node.output):
            kept.append(node)
            needed |= reads(node) - set(given)
    return kept[::-1], needed


def reads(node: onnx.NodeProto) -> set[str]:
    """What a node reads, and what those inside it do, of whichever graph it is."""
    names = {name for each in nodes([node]) for name in each.input}
    return (names | {output.name for graph in subgraphs(node) for output in graph.output}) - {""}


def attribute(node: onnx.NodeProto, name: str, default: object = None) -> object:
    """An attribute's value (bytes as text), `default` where the node does not set it."""
    for found in node.attribute:
        if found.name == name:
            value = onnx.helper.get_attribute_value(found) if found.type else None
            return value.decode(errors="replace") if isinstance(value, bytes) else value
    return default


def shape_of(value: onnx.ValueInfoProto) -> Shape | None:
    """A number for each fixed dimension, a name for a free one, None for one of which nothing is known."""
    if not value.type.tensor_type.HasField("shape"):
        return None
    return tuple(
        d.dim_value if d.HasField("dim_value") else d.dim_param or None for d in value.type.tensor_type.shape.dim
    )
