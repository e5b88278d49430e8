"""A network whose outputs a head describes: boxes and scores are read from them by plain numpy, and judged."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from exporter.common.errors import BuildError, RequestError
from exporter.common.messages import in_one_line
from exporter.graph.core_outputs import RAW_OUTPUTS
from exporter.model import probe
from exporter.model.dfl import decode
from exporter.model.graph_core import shaped
from exporter.model.graph_outputs import WANTED, WITHOUT_NMS, convert, mismatch
from exporter.model.head import Head
from exporter.model.head.fits import Read, declarations_that_fit, misdeclared
from exporter.model.head.operators import attach
from exporter.model.head.plain import MisdeclaredError
from exporter.model.head.plain import decode as decode_head
from exporter.model.probe import TRIED

if TYPE_CHECKING:
    import onnx

Sizes = tuple[int | None, int | None, int | None]
"""Batch, height and width; None for a free one."""

PROBED = 256  # pixels of the images that are judged: on smaller ones every box is as large as the image
MOST_JUDGED = 100_000  # boxes of an image
RANGES = (1 / 255, 1.0)  # of 0..255: how the network was trained is not known here


class DeclaredNetwork(ABC):
    """images float32 [B, 3, H, W] → boxes [B, N, 4] xyxy in input pixels, scores [B, N, C], float32 tensors.
    `num_classes` is C. Where nothing is suggested, for whoever weighs heads against each other: `more_scores`, whether
    what follows the classes that its head counts may be scores too; `background_wins`, the share of boxes in which what
    the head takes for the background has the highest of all scores; `unlike_scores`, whether a column of what it
    takes for scores holds whole numbers alone, as the numbers of classes are, or detections have no score at all."""

    more_scores = unlike_scores = False
    background_wins = 1.0

    def __init__(
        self, head: Head, label: str, num_outputs: int, batch: int | None, sides: Sequence[int | None],
        suggests: bool = True,
    ):  # fmt: skip
        """label: what errors begin with; num_outputs: how many the network has; batch, sides: height and width that it
        is fixed to, None where any go; suggests: whether an error says which declarations would fit.

        Raises RequestError where it is not of the contract, judged by what it gives for a blank image and a few
        others."""
        self._head, self._label, self._num_outputs, self._batch = head, label, num_outputs, batch
        height, width = (side or TRIED for side in sides)
        blank = self._tried(batch or 1, height, width)
        self.num_classes = self._read(blank, height, width)[1].shape[2]
        self._check_declared(*(side or PROBED for side in sides), suggests)

    def core(
        self, opset: int, batch: int | None, height: int | None, width: int | None,
        options: dict[str, Any] | None = None, device: str = "cpu",
    ) -> "onnx.ModelProto":  # fmt: skip
        """The core graph, as `exporter.graph.trace.trace` gives that of a network of the contract; None leaves a
        dimension dynamic. Raises RequestError where it cannot be one, or fails at that size."""
        core = self._graph(opset, (batch, height, width), options, device)
        tried, any_size = self._tried(batch or 2, height or TRIED, width or TRIED), None in (height, width)
        core = shaped(core, tried, any_size, [3 - axis for axis in self._head.columns_axes])
        return core if self._head.is_contract else attach(core, self._head)

    @abstractmethod
    def _graph(self, opset: int, sizes: Sizes, options: dict[str, Any] | None, device: str) -> "onnx.ModelProto":
        """Its own graph: input `images`, outputs those that the head reads, by the names of the core's or of
        `exporter.model.head.operators.output_names`. options, device: of tracing."""

    @abstractmethod
    def _run(self, images: np.ndarray) -> list[np.ndarray]:
        """Its outputs, as they are, in the order in which the head reads them."""

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """A graph of a fixed batch takes any number of images all the same. Raises RequestError where an image shows
        that the head is another."""
        try:
            groups = [self._read(*each) for each in self._groups(images.numpy())]
        except MisdeclaredError as error:  # which the images that it was judged by did not show
            raise RequestError(f"{self._label}: on an image it gives {error}") from error
        boxes, scores = (torch.cat(each)[: len(images)] for each in zip(*groups, strict=True))
        return boxes, scores

    def _groups(self, images: np.ndarray) -> Iterator[tuple[list[np.ndarray], int, int]]:
        """The outputs for as many images at once as the file takes, the last one repeated where some are missing, and
        height and width."""
        step = self._batch or len(images)
        for start in range(0, len(images), step):
            group = images[start : start + step]
            missing = step - len(group)
            filled = np.concatenate([group, group[-1:].repeat(missing, axis=0)]) if missing > 0 else group
            yield self._run(filled), *images.shape[2:]

    def _read(
        self, outputs: Sequence[np.ndarray], height: int, width: int, head: Head | None = None
    ) -> tuple[Tensor, Tensor]:
        """Boxes and scores from what the file gives for images of this size, as the recipe's head says, or this one.
        Raises MisdeclaredError where that cannot be."""
        head = head or self._head
        if head.is_contract:
            return decoded(outputs)
        boxes, scores = decode_head(head, outputs, height, width)
        return torch.from_numpy(boxes), torch.from_numpy(scores)

    def _tried(self, batch: int, height: int, width: int) -> list[np.ndarray]:
        """The outputs, as they are, for blank images of this size."""
        asked = f"{self._label}: on {batch} images of {width} × {height}"
        try:
            outputs = self._run(np.zeros((batch, 3, height, width), np.float32))
            boxes, scores = self._read(outputs, height, width)
        except MisdeclaredError as error:
            raise RequestError(f"{asked} it gives {error}") from error
        except Exception as error:  # ONNX Runtime raises its own classes, which share no base but this one
            raise RequestError(f"{asked} it fails: {in_one_line(error)}: wanted is {WANTED}") from error
        fits = boxes.ndim == scores.ndim == 3 and boxes.shape[:2] == scores.shape[:2] and boxes.shape[2] == 4
        fits = fits and scores.numel() > 0
        if not fits or len(boxes) != batch:
            told = mismatch(boxes.shape, scores.shape)
            raise RequestError(f"{asked} it gives {list(boxes.shape)} and {list(scores.shape)}: {told}")
        return outputs

    def _check_declared(self, height: int, width: int, suggests: bool) -> None:
        """Raises RequestError where it seems to give something else than its head says, see `exporter.model.probe`,
        with the declaration that would fit."""
        images, step = probe.images(height, width), self._batch or 1
        there = f"{self._label}: on images of {width} × {height}"
        groups = [images[start : start + step] for start in range(0, len(images), step)]
        try:
            raw = [[each for group in groups for each in self._groups(group * factor)] for factor in RANGES]
        except BuildError as error:
            raise RequestError(f"{there} it fails: {in_one_line(error)}: wanted is {WANTED}") from error

        def read(head: Head) -> list[tuple[np.ndarray, np.ndarray]]:
            return [self._judged([self._read(*each, head) for each in given], len(images), there) for given in raw]

        try:
            seems = misdeclared(self._head, read, height, width)
        except MisdeclaredError as error:  # it has made sense at another size
            raise RequestError(f"{there} it gives {error}") from error
        if not suggests:
            self._weigh(read)
        if seems:
            may_be_told = suggests and self._num_outputs == self._head.num_outputs
            fit = declarations_that_fit(self._head, read, height, width) if may_be_told else []
            declare = f"; or declare what it gives: {' or '.join(fit)}" if fit else ""
            told = convert("convert them") if self._head.is_contract else "another model/head"
            if seems == probe.SWAPPED:
                told, declare = "name them in the other order (model.outputs, or model.head.outputs)", ""
            raise RequestError(f"{self._label}: seems to give {seems}: {told}{declare}")

    def _weigh(self, read: Read) -> None:
        """Sets what is for whoever weighs heads."""
        head = self._head
        if head.num_read is not None:
            every = read(head.model_copy(update={"num_classes": None, "classes": ()}))
            self.more_scores = probe.leading_scores(every) != head.num_classes
        if head.background != "none":
            every = read(head.model_copy(update={"background": "none", "classes": ()}))
            scores = np.concatenate([scores for _, scores in every])
            column = scores.shape[2] - 1 if head.background == "last" else 0
            self.background_wins = float((scores.argmax(axis=2) == column).mean())
        given = read(head)
        nothing = not any(scores.any() for _, scores in given)
        self.unlike_scores = nothing if head.layout == "detections" else probe.have_whole_numbers(given)

    def _judged(self, given: list[tuple[Tensor, Tensor]], count: int, there: str) -> tuple[np.ndarray, np.ndarray]:
        """Boxes and scores of all images; of very many boxes some."""
        counts = sorted({boxes.shape[1] for boxes, _ in given})
        if counts[0] != counts[-1] or not counts[0]:
            raise RequestError(
                f"{there} it gives from {counts[0]} to {counts[-1]} boxes, as with an NMS inside: {WITHOUT_NMS}"
            )
        every = -(-counts[0] // MOST_JUDGED)
        boxes, scores = (torch.cat(each)[:count, ::every].numpy() for each in zip(*given, strict=True))
        return boxes, scores


def decoded(outputs: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Boxes and scores from the outputs of a graph, in the order of DECODED_OUTPUTS or RAW_OUTPUTS."""
    tensors = [torch.from_numpy(np.array(value)) for value in outputs]
    if len(tensors) == len(RAW_OUTPUTS):
        box_logits, class_logits, anchors = tensors
        return decode(box_logits, anchors), class_logits.sigmoid().transpose(1, 2)
    boxes, scores = tensors
    return boxes, scores
