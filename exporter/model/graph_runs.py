"""A graph as it was given, run in ONNX Runtime."""

import hashlib
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import onnx

from exporter.common.errors import BuildError, RequestError
from exporter.common.geometry import MAX_PIXELS
from exporter.common.messages import in_one_line
from exporter.graph import walk
from exporter.model.graph_core import image_input, named_apart
from exporter.model.probe import TRIED
from exporter.runtime.engine import Session, limits
from exporter.runtime.onnx_runtime import OnnxRuntimeEngine


class GraphRuns:
    """Session, shapes and outputs of a graph, each had when it is asked for first. `input`: the name of its image;
    `sizes`: [batch, 3, height, width] of that, None for a free one."""

    def __init__(self, given: onnx.ModelProto, label: str, remembers: bool = False):
        """label: what errors begin with; remembers: whether outputs are kept, for heads that are all judged by the same
        few images. Raises RequestError where it does not read one image."""
        image = image_input(given.graph, label)
        self.label, self.input = label, image.name
        self.sizes = [dim.dim_value or None for dim in image.type.tensor_type.shape.dim]
        self._as_given = given
        self._known: dict[bytes, dict[str, np.ndarray]] | None = {} if remembers else None

    @cached_property
    def given(self) -> onnx.ModelProto:
        """The graph, its nodes named apart."""
        return named_apart(self._as_given)

    @cached_property
    def session(self) -> Session:
        """Raises RequestError where ONNX Runtime does not take it."""
        data = self.given.SerializeToString()
        try:
            return OnnxRuntimeEngine().session(data, limits=limits(len(data), MAX_PIXELS, self.label))
        except BuildError as error:
            raise RequestError(f"{self.label}: {error}") from error

    @cached_property
    def _shapes(self) -> dict[str, walk.Shape]:
        """Of all outputs for a blank image, by name."""
        batch, _, height, width = self.sizes
        blank = np.zeros((batch or 1, 3, height or TRIED, width or TRIED), np.float32)
        try:
            given = self.session.run(None, {self.input: blank})
        except BuildError as error:
            raise RequestError(f"{self.label}: on a blank image it fails: {in_one_line(error)}") from error
        shapes = (each.shape if isinstance(each, np.ndarray) else () for each in given)  # a list is a sequence
        return {value.name: shape for value, shape in zip(self.given.graph.output, shapes, strict=True)}

    def shape_of(self, value: onnx.ValueInfoProto, axis: int) -> walk.Shape | None:
        """As the graph says it, or where it leaves that axis open, as it is: then the graph has to be run."""
        said = walk.shape_of(value)
        known = said is not None and len(said) > 1 and isinstance(said[axis], int)
        return said if known else self._shapes[value.name]

    def outputs(self, names: Sequence[str], images: np.ndarray) -> list[np.ndarray]:
        """Those for images float32 [B, 3, H, W]. Raises BuildError where the run fails."""
        if self._known is None:
            return self.session.run(list(names), {self.input: images})
        key = hashlib.blake2b(images.tobytes() + repr(images.shape).encode()).digest()
        if key not in self._known:
            every = [value.name for value in self.given.graph.output]
            self._known[key] = dict(zip(every, self.session.run(every, {self.input: images}), strict=True))
        return [self._known[key][name] for name in names]
