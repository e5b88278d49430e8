"""A graph that ends earlier: at tensors inside of it that the recipe names, in front of what is not wanted."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

import onnx

from exporter.common.errors import RequestError
from exporter.graph.walk import leading_to, shape_of


def cut(given: onnx.ModelProto, names: Sequence[str], label: str) -> onnx.ModelProto:
    """A copy whose outputs are these tensors, without what leads to none of them: nodes, constants and inputs.

    Raises RequestError for a name that no node gives, and for a tensor whose type and rank no inference tells."""
    inferred = onnx.shape_inference.infer_shapes(given, data_prop=True)
    known = {value.name: value for value in (*inferred.graph.value_info, *inferred.graph.output)}
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


def before_nms(graph: onnx.GraphProto) -> list[str]:
    """The tensors that the first NonMaxSuppression reads as boxes and as scores, these before they were transposed to
    [B, C, N] for it, and both before anything else than the image comes in; empty where there is none."""
    producers = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        if node.op_type == "NonMaxSuppression":
            boxes, scores = node.input[:2]
            before = producers.get(scores)
            scores = before.input[0] if before is not None and before.op_type == "Transpose" else scores
            return [_of_the_image(graph, name, producers) for name in (boxes, scores)]
    return []


def _of_the_image(graph: onnx.GraphProto, name: str, producers: Mapping[str, onnx.NodeProto]) -> str:
    """The tensor, or what of the image it is computed from before another input comes in: PaddleDetection's divides
    boxes by a scale factor."""
    images = {value.name for value in graph.input if len(shape_of(value) or ()) == 4}
    others = {value.name for value in graph.input} - images - {tensor.name for tensor in graph.initializer}
    while leading_to([name], graph)[1] & others and name in producers:
        parts = [each for each in producers[name].input if leading_to([each], graph)[1] & images]
        if len(parts) != 1:
            break
        name = parts[0]
    return name
