"""A graph in ONNX Runtime in the place of a torch network."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx

from exporter.model.declared_network import DeclaredNetwork, Sizes
from exporter.model.graph_core import converted, names_of, renamed, sized
from exporter.model.graph_runs import GraphRuns
from exporter.model.head import Head


class GraphNetwork(DeclaredNetwork):
    """What the graph itself, as it was given, computes in ONNX Runtime; `parameters` counts its numbers, `unread` names
    the outputs that its head leaves aside."""

    def __init__(
        self, given: onnx.ModelProto, outputs: Sequence[str] | None, label: str, head: Head | None = None,
        suggests: bool = True, runs: GraphRuns | None = None,
    ):  # fmt: skip
        """outputs: the names of boxes and scores, None where they are to be found; label: what errors begin with; head:
        what its outputs mean, None: boxes and scores as they are; suggests: whether errors say what would fit, which
        takes long; runs: of `given`, where others use them too.

        Raises RequestError where the graph is not of the contract, judged by its shapes too."""
        head, self._runs = head or Head(), runs or GraphRuns(given, label)
        self._names = names_of(given.graph, self._runs.input, outputs, head, label, self._runs.shape_of)
        self.unread = self._names.unread(given)
        _ = self._runs.session  # what cannot be run is refused here, and not as the failure of a run
        batch, _, *sides = self._runs.sizes
        super().__init__(head, label, len(self._names.outputs), batch, sides, suggests)
        self.parameters = sum(
            math.prod(tensor.dims)
            for tensor in given.graph.initializer
            if tensor.data_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE)
        )

    def _graph(self, opset: int, sizes: Sizes, options: dict[str, Any] | None, device: str) -> onnx.ModelProto:
        """The given one; tracing is done already. Raises RequestError where it is fixed to other sizes, or cannot be
        brought to that opset."""
        core = renamed(converted(self._runs.given, opset, self._label), self._names)
        return sized(core, dict(zip(("batch", "height", "width"), sizes, strict=True)), self._label)

    def _run(self, images: np.ndarray) -> list[np.ndarray]:
        return self._runs.outputs(self._names.outputs, images)
