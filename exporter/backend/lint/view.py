"""What the rules look at: a graph with its subgraphs laid flat, and of each value its type, shape and producer.

Names are unique over a graph and its subgraphs (ONNX's rule; `structure.py` checks it), so one table holds them all.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto

from exporter.backend.lint.external import located
from exporter.backend.lint.infer import inferred
from exporter.backend.lint.validity import invalid_nodes
from exporter.common.errors import RequestError
from exporter.graph import walk
from exporter.graph.facts import DEFAULT
from exporter.graph.functions import inlined


@dataclass(frozen=True)
class View:
    """`nodes` in the order of the file; `types` (TensorProto's numbers) and `shapes` where they are known; `inputs` and
    `outputs` are the graph's own; `constants` are the values that are known when the engine is built; `defined` counts
    how often a name gets a value. `invalid` names nodes with what ONNX's checker says of them, `problem` is what shape
    inference complained of."""

    opset: int | None
    nodes: list[onnx.NodeProto]
    inputs: list[onnx.ValueInfoProto]
    outputs: list[onnx.ValueInfoProto]
    initializers: dict[str, TensorProto]
    constants: frozenset[str]
    types: dict[str, int]
    shapes: dict[str, walk.Shape]
    producers: dict[str, onnx.NodeProto]
    consumers: dict[str, list[tuple[onnx.NodeProto, int]]]
    defined: Counter[str]
    invalid: list[tuple[str, str]]
    problem: str | None
    folder: Path | None
    has_profile: bool

    def array(self, name: str) -> np.ndarray | None:
        """The numbers of an initializer or Constant; None for anything else, and where the file does not hold them."""
        tensor = self.initializers.get(name)
        producer = self.producers.get(name)
        if tensor is None and producer is not None and producer.op_type == "Constant":
            tensor = next((a.t for a in producer.attribute if a.name == "value"), None)
        if tensor is None or (tensor.data_location == TensorProto.EXTERNAL and located(tensor, self.folder)[1]):
            return None
        try:
            array = onnx.numpy_helper.to_array(tensor, str(self.folder or ""))
        except (ValueError, TypeError, OSError, KeyError, onnx.checker.ValidationError):
            return None  # `structure.broken` names it
        return None if array.dtype.kind in "OSUc" else array  # text and complex numbers are no numbers here


def label(node: onnx.NodeProto) -> str:
    """The node's name, else the name of what it computes."""
    return node.name or f"the {node.op_type} that gives {', '.join(node.output[:1]) or 'nothing'}"


def type_name(number: int) -> str:
    """A type's name as ONNX writes it, in lower case."""
    return TensorProto.DataType.Name(number).lower() if number in TensorProto.DataType.values() else f"type {number}"


def view(model: onnx.ModelProto, folder: Path | None, has_profile: bool) -> View:
    """`model` as the rules want it. Raises RequestError where it would grow too large, or its names are no text."""
    _check_names(model.graph)
    model = inlined(model)
    invalid = [(label(node), why) for node, why in invalid_nodes(model)]
    slim, problem = inferred(model, valid=not invalid)
    inside = list(walk.graphs(slim.graph))
    nodes = [node for graph in inside for node in graph.node]
    values = [value for graph in inside for value in (*graph.input, *graph.output, *graph.value_info)]
    whole = (model.graph, *inside[1:])  # inference has not seen the weights of the first one
    tensors = [tensor for graph in whole for tensor in graph.initializer]
    sparse = [tensor.values.name for graph in whole for tensor in graph.sparse_initializer]
    initializers = {tensor.name: tensor for tensor in tensors}
    consumers: dict[str, list[tuple[onnx.NodeProto, int]]] = {}
    for node in nodes:
        for index, name in enumerate(node.input):
            consumers.setdefault(name, []).append((node, index))
    return View(
        opset=next((o.version for o in model.opset_import if o.domain in DEFAULT), None),
        nodes=nodes,
        inputs=[value for value in model.graph.input if value.name not in initializers],
        outputs=list(model.graph.output),
        initializers=initializers,
        constants=_constants(nodes, initializers),
        types={v.name: v.type.tensor_type.elem_type for v in values if v.type.tensor_type.elem_type}
        | {name: tensor.data_type for name, tensor in initializers.items()},
        shapes={v.name: shape for v in values if (shape := walk.shape_of(v)) is not None}
        | {name: tuple(tensor.dims) for name, tensor in initializers.items()},
        producers={output: node for node in nodes for output in node.output if output},
        consumers=consumers,
        # An initializer may also stand among the inputs: that is its default, not a second value.
        defined=(
            (Counter(v.name for g in whole for v in g.input) | Counter([*(t.name for t in tensors), *sparse]))
            + Counter(output for node in nodes for output in node.output if output)
        ),
        invalid=invalid,
        problem=problem,
        folder=folder,
        has_profile=has_profile,
    )


def _constants(nodes: list[onnx.NodeProto], initializers: Collection[str]) -> frozenset[str]:
    """Initializers, and what is computed of nothing else; ONNX demands that nodes stand in the order they run."""
    known = set(initializers)
    for node in nodes:
        if all(name in known for name in node.input if name) and not any(walk.subgraphs(node)):
            known.update(node.output)
    return frozenset(known)


def _check_names(outer: onnx.GraphProto) -> None:
    """protobuf hands over as bytes what is not UTF-8, and nothing behind this expects that."""
    for graph in walk.graphs(outer):
        words = [value.name for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer)]
        for node in graph.node:
            words += [
                node.name,
                node.op_type,
                node.domain,
                *node.input,
                *node.output,
                *(a.name for a in node.attribute),
            ]
        if any(isinstance(word, bytes) for word in words):
            raise RequestError("not an ONNX model: a name in it is not UTF-8")
