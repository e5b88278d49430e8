"""A graph in ONNX Runtime in the place of a torch network."""

import math
from collections.abc import Sequence

import numpy as np
import onnx
import torch
from torch import Tensor

from exporter.common.errors import BuildError, RequestError
from exporter.common.geometry import MAX_PIXELS
from exporter.common.messages import in_one_line
from exporter.graph.core_outputs import RAW_OUTPUTS
from exporter.model import probe
from exporter.model.dfl import decode
from exporter.model.graph_core import converted, named_apart, names_of, renamed, shaped, sized
from exporter.model.graph_outputs import WANTED, WITHOUT_NMS, convert, mismatch
from exporter.runtime.engine import limits
from exporter.runtime.onnx_runtime import OnnxRuntimeEngine

TRIED = 64  # pixels of a blank image where any size goes
PROBED = 256  # pixels of the images that are judged: on smaller ones every box is as large as the image
MOST_JUDGED = 100_000  # boxes of an image
RANGES = (1 / 255, 1.0)  # of 0..255: how the network was trained is not known here


class GraphNetwork:
    """images float32 [B, 3, H, W] → boxes [B, N, 4] xyxy in input pixels, scores [B, N, C], float32 tensors: what the
    graph itself, as it was given, computes in ONNX Runtime. `num_classes` is C; `parameters` counts its numbers."""

    def __init__(self, given: onnx.ModelProto, outputs: Sequence[str] | None, label: str):
        """outputs: the names of boxes and scores, None where they are to be found; label: what errors begin with.

        Raises RequestError where the graph is not of the contract, judged by its shapes and what it gives for a blank
        image and a few others."""
        self._given, self._label = named_apart(given), label
        self._names = names_of(given, outputs, label)
        try:
            data = self._given.SerializeToString()
            self._session = OnnxRuntimeEngine().session(data, limits=limits(len(data), MAX_PIXELS, label))
        except BuildError as error:
            raise RequestError(f"{label}: {error}") from error
        (value,) = (value for value in given.graph.input if value.name == self._names.input)
        dims = value.type.tensor_type.shape.dim
        self._batch, _, *sides = (dim.dim_value or None for dim in dims)
        blank = self._tried(self._batch or 1, *(side or TRIED for side in sides))
        self.num_classes = decoded(blank)[1].shape[2]
        if seems := self._misread(*(side or PROBED for side in sides)):
            raise RequestError(f"{label}: seems to give {seems}: {convert('convert them')}")
        self.parameters = sum(
            math.prod(tensor.dims)
            for tensor in given.graph.initializer
            if tensor.data_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE)
        )

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """A graph of a fixed batch takes any number of images all the same."""
        step = self._batch or len(images)
        groups = [self._decoded(images[start : start + step].numpy()) for start in range(0, len(images), step)]
        boxes, scores = (torch.cat(each) for each in zip(*groups, strict=True))
        return boxes, scores

    def core(self, opset: int, batch: int | None, height: int | None, width: int | None) -> onnx.ModelProto:
        """The graph as `exporter.graph.trace.trace` would have given it; None leaves a dimension dynamic. Raises
        RequestError where it is fixed to other sizes, cannot be brought to that opset, or fails at that size."""
        core = renamed(converted(self._given, opset, self._label), self._names)
        core = sized(core, {"batch": batch, "height": height, "width": width}, self._label)
        return shaped(core, self._tried(batch or 2, height or TRIED, width or TRIED), None in (height, width))

    def _decoded(self, images: np.ndarray) -> tuple[Tensor, Tensor]:
        missing = (self._batch or 0) - len(images)
        filled = np.concatenate([images, images[-1:].repeat(missing, axis=0)]) if missing > 0 else images
        boxes, scores = decoded(self._run(filled))
        return boxes[: len(images)], scores[: len(images)]

    def _run(self, images: np.ndarray) -> list[np.ndarray]:
        return self._session.run(list(self._names.outputs), {self._names.input: images})

    def _tried(self, batch: int, height: int, width: int) -> list[np.ndarray]:
        """The outputs, as they are, for blank images of this size."""
        asked = f"{self._label}: on {batch} images of {width} × {height}"
        try:
            outputs = self._run(np.zeros((batch, 3, height, width), np.float32))
            boxes, scores = decoded(outputs)
        except Exception as error:  # ONNX Runtime raises its own classes, which share no base but this one
            raise RequestError(f"{asked} it fails: {in_one_line(error)}: wanted is {WANTED}") from error
        fits = boxes.ndim == scores.ndim == 3 and boxes.shape[:2] == scores.shape[:2] and boxes.shape[2] == 4
        fits = fits and scores.numel() > 0
        if not fits or len(boxes) != batch:
            told = mismatch(boxes.shape, scores.shape)
            raise RequestError(f"{asked} it gives {list(boxes.shape)} and {list(scores.shape)}: {told}")
        return outputs

    def _misread(self, height: int, width: int) -> str | None:
        """What it seems to give instead of what is wanted, see `exporter.model.probe`."""
        images, step = torch.from_numpy(probe.images(height, width)), self._batch or 1
        there = f"{self._label}: on images of {width} × {height}"
        by_range = []
        for factor in RANGES:
            try:
                given = [self(group) for group in (images * factor).split(step)]
            except BuildError as error:
                raise RequestError(f"{there} it fails: {in_one_line(error)}: wanted is {WANTED}") from error
            counts = sorted({boxes.shape[1] for boxes, _ in given})
            if counts[0] != counts[-1] or not counts[0]:
                raise RequestError(
                    f"{there} it gives from {counts[0]} to {counts[-1]} boxes, as with an NMS inside: {WITHOUT_NMS}"
                )
            every = -(-counts[0] // MOST_JUDGED)
            boxes, scores = (torch.cat(each)[:, ::every].numpy() for each in zip(*given, strict=True))
            by_range.append((boxes, scores))
        return probe.misread(by_range, height, width)


def decoded(outputs: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Boxes and scores from the outputs of a graph, in the order of DECODED_OUTPUTS or RAW_OUTPUTS."""
    tensors = [torch.from_numpy(np.array(value)) for value in outputs]
    if len(tensors) == len(RAW_OUTPUTS):
        box_logits, class_logits, anchors = tensors
        return decode(box_logits, anchors), class_logits.sigmoid().transpose(1, 2)
    boxes, scores = tensors
    return boxes, scores
