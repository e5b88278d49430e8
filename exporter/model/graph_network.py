"""A graph in ONNX Runtime in the place of a torch network."""

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import onnx

from exporter.common.errors import BuildError, RequestError
from exporter.common.geometry import MAX_PIXELS
from exporter.common.messages import in_one_line
from exporter.graph import walk
from exporter.model.declared_network import TRIED, DeclaredNetwork, Sizes
from exporter.model.graph_core import converted, image_input, named_apart, names_of, renamed, sized
from exporter.model.head import Head
from exporter.runtime.engine import Session, limits
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
        self._as_given, self._label, self._images = given, label, image_input(given.graph, label)
        self._names = names_of(given.graph, self._images.name, outputs, head, label, self._shape_of)
        self.unread = self._names.unread(given)
        _ = self._session  # what cannot be run is refused here, and not as the failure of a run
        batch, _, *sides = self._sizes
        super().__init__(head, label, len(self._names.outputs), batch, sides, suggests)
        self.parameters = sum(
            math.prod(tensor.dims)
            for tensor in given.graph.initializer
            if tensor.data_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE)
        )

    @cached_property
    def _given(self) -> onnx.ModelProto:
        return named_apart(self._as_given)

    @cached_property
    def _session(self) -> Session:
        data = self._given.SerializeToString()
        try:
            return OnnxRuntimeEngine().session(data, limits=limits(len(data), MAX_PIXELS, self._label))
        except BuildError as error:
            raise RequestError(f"{self._label}: {error}") from error

    @property
    def _sizes(self) -> list[int | None]:
        """[batch, 3, height, width] of its input, None for a free one."""
        return [dim.dim_value or None for dim in self._images.type.tensor_type.shape.dim]

    @cached_property
    def _shapes(self) -> dict[str, walk.Shape]:
        """Of all outputs for a blank image, by name."""
        batch, _, height, width = self._sizes
        blank = np.zeros((batch or 1, 3, height or TRIED, width or TRIED), np.float32)
        try:
            given = self._session.run(None, {self._images.name: blank})
        except BuildError as error:
            raise RequestError(f"{self._label}: on a blank image it fails: {in_one_line(error)}") from error
        shapes = (each.shape if isinstance(each, np.ndarray) else () for each in given)  # a list is a sequence
        return {value.name: shape for value, shape in zip(self._given.graph.output, shapes, strict=True)}

    def _shape_of(self, value: onnx.ValueInfoProto, axis: int) -> walk.Shape | None:
        """As the graph says it, or where it leaves that axis open, as it is: then the graph has to be run."""
        said = walk.shape_of(value)
        known = said is not None and len(said) > 1 and isinstance(said[axis], int)
        return said if known else self._shapes[value.name]

    def _graph(self, opset: int, sizes: Sizes, options: dict[str, Any] | None, device: str) -> onnx.ModelProto:
        """The given one; tracing is done already. Raises RequestError where it is fixed to other sizes, or cannot be
        brought to that opset."""
        core = renamed(converted(self._given, opset, self._label), self._names)
        return sized(core, dict(zip(("batch", "height", "width"), sizes, strict=True)), self._label)

    def _run(self, images: np.ndarray) -> list[np.ndarray]:
        return self._session.run(list(self._names.outputs), {self._names.input: images})
