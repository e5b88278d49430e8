"""Is the artifact the network, before NMS? Its boxes and scores, held against torch's, or those of the given file."""

from collections.abc import Iterator, Sequence

import numpy as np

from exporter.proof.detections import TorchOutputs
from exporter.proof.section import NetworkErrors
from exporter.proof.sets import assigned
from exporter.proof.tensors import Tensors

CLEARLY_LESS = 0.75
"""Of an error: what a quantization leaves of it where something else was the cause of the rest."""
SOMETHING = 0.05
"""A score from which a row of a set is more than filling."""
TINY = np.finfo(np.float32).tiny
TIED = 1e-4
"""Scores nearer than that to the lowest of a set: rounding decides which such rows are in it, which are cut off."""


def network_errors(
    tensors: Sequence[Tensors], images: Sequence[np.ndarray], outputs: TorchOutputs, unordered: bool
) -> NetworkErrors:
    """|artifact - torch| before NMS: boxes in pixels of the input, scores in 0..1. The mean over boxes is weighted by
    their best score: where a network sees nothing, the box it gives means nothing.

    images: what the network was shown, uint8 [H, W, 3] RGB each. unordered: the network gives a set, whose order a
    rounding may change; then each of its rows is held against the artifact's that is nearest, and only those count of
    which either scores `SOMETHING` or more and is not `TIED` with the last given row, since rounding also decides which
    rows are the last."""
    given = [[each[0] for each in outputs(image[None])] for image in images]
    got = [(tensor.boxes, tensor.scores) for tensor in tensors]
    if unordered:
        places = [nearest(*own, *want) for own, want in zip(got, given, strict=True)]
        got = [(boxes[place], scores[place]) for (boxes, scores), place in zip(got, places, strict=True)]
    boxes, scores = (np.concatenate(each) for each in zip(*given, strict=True))  # one image below the other
    own_boxes, own_scores = (np.concatenate(each) for each in zip(*got, strict=True))
    box_errors, score_errors = np.abs(own_boxes - boxes), np.abs(own_scores - scores)
    weight = scores.max(axis=1, keepdims=True)
    last = np.concatenate([np.full((len(each), 1), each.max(axis=1).min()) for _, each in given])
    counted = np.maximum(weight, own_scores.max(axis=1, keepdims=True)) >= np.maximum(SOMETHING, last + TIED)
    if not unordered or not counted.any():
        counted[:] = True
    return NetworkErrors(
        max_box_error=float((box_errors * counted).max()),
        mean_box_error=float((box_errors * weight * counted).sum() / max(4 * (weight * counted).sum(), TINY)),
        max_score_error=float((score_errors * counted).max()),
        mean_score_error=float(score_errors.mean()),
    )


def nearest(boxes: np.ndarray, scores: np.ndarray, wanted_boxes: np.ndarray, wanted_scores: np.ndarray) -> np.ndarray:
    """[N] int: for each wanted row the row of boxes [N, 4] and scores [N, C] that stands for it, each once. The wanted
    rows choose in the order of their best scores: the nearest, by the largest difference of a coordinate, of the
    image's largest, and of a score."""
    size = float(np.abs(wanted_boxes).max(initial=1))

    def far(row: int) -> np.ndarray:
        of_box = np.abs(boxes - wanted_boxes[row]).max(axis=1) / size
        of_scores = np.abs(scores - wanted_scores[row]).max(axis=1)
        return np.maximum(of_box, of_scores)

    return assigned(wanted_scores.max(axis=1), len(boxes), far)


def channel_problems(
    tensors: Sequence[Tensors], images: Sequence[np.ndarray], outputs: TorchOutputs, errors: NetworkErrors,
    unordered: bool,
) -> Iterator[str]:  # fmt: skip
    """A clause where the artifact is clearly nearer to what torch gives for red in the place of blue. Swapped channels
    may change less than a quantization may, and neither the bounds nor mAP tell. errors: of the images as they are."""
    swapped = [np.ascontiguousarray(image[..., ::-1]) for image in images]
    found = network_errors(tensors, swapped, outputs, unordered)
    if found.mean_score_error < CLEARLY_LESS * errors.mean_score_error:
        yield "it is nearer to what the network gives for red and blue swapped"
