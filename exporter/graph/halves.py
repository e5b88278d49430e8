"""An artifact's graph in two: the network with what stands before it, and what makes detections of its outputs."""

from collections.abc import Collection
from typing import NamedTuple

import onnx

from exporter.graph.core_outputs import core_outputs
from exporter.graph.walk import leading_to


class Halves(NamedTuple):
    """`network`: from the artifact's input to `between`, the core's outputs by name; `rest`: from these and the input
    to the artifact's own outputs."""

    network: onnx.ModelProto
    between: tuple[str, ...]
    rest: onnx.ModelProto


def halves(model: onnx.ModelProto) -> Halves | None:
    """Both parts of a finished artifact; None where nothing stands behind the network, or the types of its outputs are
    not stated."""
    between, finals = core_outputs(model.graph), {output.name for output in model.graph.output}
    types = [value for value in model.graph.value_info if value.name in between]
    if len(types) < max(len(between), 1) or finals <= set(between):
        return None
    network = _part(model, set(between), frozenset())
    network.graph.output.extend(onnx.ValueInfoProto(name=name) for name in between)
    rest = _part(model, finals, between)
    rest.graph.input.extend(types)
    rest.graph.output.extend(model.graph.output)
    return Halves(network, between, rest)


def _part(model: onnx.ModelProto, wanted: set[str], given: Collection[str]) -> onnx.ModelProto:
    """The nodes that compute `wanted`, of which `given` is there already, and the constants that they read; no outputs.
    What an artifact says of itself besides is left out: it is no part of what is computed."""
    nodes, needed = leading_to(wanted, model.graph, given)
    part = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import, functions=model.functions)
    part.graph.name = "part"
    part.graph.node.extend(nodes)
    part.graph.initializer.extend(each for each in model.graph.initializer if each.name in needed)
    part.graph.input.extend(each for each in model.graph.input if each.name in needed)
    return part
