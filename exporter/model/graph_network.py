"""A graph in ONNX Runtime in the place of a torch network."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx

from exporter.common.errors import BuildError, RequestError
from exporter.common.geometry import MAX_PIXELS
from exporter.model.declared_network import DeclaredNetwork, Sizes
from exporter.model.graph_core import converted, named_apart, names_of, renamed, sized
from exporter.model.head import Head
from exporter.runtime.engine import limits
from exporter.runtime.onnx_runtime import OnnxRuntimeEngine


class GraphNetwork(DeclaredNetwork):
    """What the graph itself, as it was given, computes in ONNX Runtime; `parameters` counts its numbers, `unread` names
    the outputs that its head leaves aside."""

    def __init__(
        self, given: onnx.ModelProto, outputs: Sequence[str] | None, label: str, head: Head | None = None,
        suggests: bool = True,
    ):  # fmt: skip
        """outputs: the names of boxes and scores, None where they are to be found; label: what errors begin with; head:
        what its outputs mean, None: boxes and scores as they are; suggests: whether errors say what would fit, which
        takes long.

        Raises RequestError where the graph is not of the contract, judged by its shapes too."""
        head = head or Head()
        self._given = named_apart(given)
        self._names = names_of(given, outputs, head, label)
        self.unread = self._names.unread(given)
        try:
            data = self._given.SerializeToString()
            self._session = OnnxRuntimeEngine().session(data, limits=limits(len(data), MAX_PIXELS, label))
        except BuildError as error:
            raise RequestError(f"{label}: {error}") from error
        (value,) = (value for value in given.graph.input if value.name == self._names.input)
        dims = value.type.tensor_type.shape.dim
        batch, _, *sides = (dim.dim_value or None for dim in dims)
        super().__init__(head, label, len(self._names.outputs), batch, sides, suggests)
        self.parameters = sum(
            math.prod(tensor.dims)
            for tensor in given.graph.initializer
            if tensor.data_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE)
        )

    def _graph(self, opset: int, sizes: Sizes, options: dict[str, Any] | None, device: str) -> onnx.ModelProto:
        """The given one; tracing is done already. Raises RequestError where it is fixed to other sizes, or cannot be
        brought to that opset."""
        core = renamed(converted(self._given, opset, self._label), self._names)
        return sized(core, dict(zip(("batch", "height", "width"), sizes, strict=True)), self._label)

    def _run(self, images: np.ndarray) -> list[np.ndarray]:
        return self._session.run(list(self._names.outputs), {self._names.input: images})
