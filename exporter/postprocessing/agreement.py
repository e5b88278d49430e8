"""Which rows of a detector's output are wrong, and which only rounded differently.

NMS decides one pair after another, so one rounding can change many rows, and no tolerance on rows is both safe and
strict. But the result of NMS can be checked pair by pair: the kept pairs are the one set in which

    a candidate is kept  ⟺  no better kept pair overlaps it by more than the threshold

(sorted, and cut at the limit). Each condition compares two numbers, so each is taken with a margin: a decision is held
against the graph only where no rounding can account for it. With both margins 0 this is the contract itself. How far a
rounding reaches is the engine's: see `Margins`.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from exporter.postprocessing.parameters import NmsParameters
from exporter.postprocessing.reference import BOX_MARGIN, SCORE_MARGIN, alike, iou

ROUNDING = {"f32": 2.0**-24, "f16": 2.0**-11, "bf16": 2.0**-8}
"""By what an engine computes in: half the distance of two neighbouring numbers, of their size."""
IOU_MARGIN = 1e-3
"""An IoU within this of the threshold may suppress or not: what sides that are off by 0.002 px change in 8 px."""


@dataclass(frozen=True)
class Margins:
    """What two computations of one detection may differ by without a fault. score: in 0..1; box: pixels a side;
    any_box: the same of a box that is none, where the network sees nothing and is of no mind where."""

    score: float = SCORE_MARGIN
    box: float = BOX_MARGIN
    any_box: float = BOX_MARGIN

    @classmethod
    def of(cls, precision: str, size: int) -> Self:
        """Those of an engine that computes in `precision`, for inputs of at most `size` pixels a side.

        Below float32 a score ends within one rounding of 1, a side within three of the largest coordinate, and within
        eight where nothing is: rounded behind every operator, the demo networks' were within 0.5, 1.7 and 4.8."""
        if precision == "f32":
            return cls()
        step = ROUNDING[precision]
        return cls(step, BOX_MARGIN + 3 * step * size, BOX_MARGIN + 8 * step * size)

    def iou(self, box: np.ndarray) -> float:
        """What may change the IoU of `box` [4] with others: all of it, where it is no larger than its margins."""
        side = max(float(np.abs(box[2:] - box[:2]).min()), 1.0)
        return min(1.0, IOU_MARGIN + 4 * (self.box - BOX_MARGIN) / side)


def unexplained(
    got: np.ndarray, boxes: np.ndarray, scores: np.ndarray, parameters: NmsParameters, margins: Margins = Margins()
) -> int:
    """How many decisions behind the rows `got` ([n, 6] float32: x1, y1, x2, y2, score, class) no rounding explains.

    `boxes` [N, 4] xyxy and `scores` [N, C], float32, are what the network said of that image. Counted are rows that are
    none of its pairs (same class and `alike`; each pair once), are out of order or too many, should not be candidates,
    or overlap a better row; and missing candidates that no better row overlaps.
    """
    limit = parameters.max_predictions_per_image
    wrong = int((np.diff(got[:, 4]) > 0).sum()) + max(0, len(got) - limit)

    kept = np.zeros(scores.shape, dtype=bool)
    for row in got:
        free, c = np.zeros(len(boxes), dtype=bool), int(row[5]) if row[5] in range(scores.shape[1]) else None
        if c is not None:
            free = alike(row, boxes, scores[:, c], margins.box, margins.score) & ~kept[:, c]
        if free.any():
            error = np.where(free, np.abs(scores[:, c] - row[4]), np.inf)
            kept[error.argmin(), c] = True
        else:
            wrong += 1

    inside = _inside(scores, parameters, margins.score)
    candidate = (inside > -margins.score) & (scores > 0)
    wrong += int((kept & ~candidate).sum())

    near = (candidate | kept).any(axis=1)  # the other boxes cannot matter: spare their IoU
    kept, inside, boxes, scores = kept[near], inside[near], boxes[near], scores[near]
    if len(got) >= limit:  # pairs no better than the last row may have been cut
        inside = np.where(kept, inside, np.minimum(inside, scores - got[limit - 1, 4]))
    surely, maybe = _suppressed(boxes, scores, kept, parameters, margins)
    wrong += int((kept & surely).sum())
    wrong += int((~kept & (inside > margins.score) & ~maybe).sum())
    return wrong


def _inside(scores: np.ndarray, parameters: NmsParameters, margin: float) -> np.ndarray:
    """[N, C]: how much each score could fall, or has to rise where negative, for its pair to stay or become a
    candidate: above the threshold, of a box behind the pre-NMS cut, the box's best class where that matters, and among
    the best candidates where their number is bounded."""
    inside = scores - np.float32(parameters.confidence_threshold)
    best = scores.max(axis=1, keepdims=True)
    limit = parameters.num_pre_nms_predictions
    if limit is not None and limit < len(scores):
        descending = np.sort(best[:, 0])[::-1]
        last_in, first_out = descending[limit - 1], descending[limit]
        inside = np.minimum(inside, np.where(best >= last_in, best - first_out, best - last_in))
    if not parameters.multi_label and scores.shape[1] > 1:
        second = np.sort(scores, axis=1)[:, -2:-1]
        inside = np.minimum(inside, np.where(scores == best, best - second, scores - best))
    bound = parameters.max_candidates_per_image
    if bound is not None:
        # A rounding at another limit may let a pair in or out and so move this one: its place lies between two scores.
        first_out = _descending(scores[inside > -margin], bound)
        last_in = _descending(scores[inside > margin], bound - 1)
        beyond = np.where(scores < last_in, scores - last_in, 0)
        inside = np.minimum(inside, np.where(scores > first_out, scores - first_out, beyond))
    return inside


def _descending(scores: np.ndarray, place: int) -> np.float32:
    """The score at that place, counted from 0, from the highest on; 0 behind the last one."""
    return np.sort(scores)[::-1][place] if place < len(scores) else np.float32(0)


def _suppressed(
    boxes: np.ndarray, scores: np.ndarray, kept: np.ndarray, parameters: NmsParameters, margins: Margins
) -> tuple[np.ndarray, np.ndarray]:
    """[N, C] twice: which pairs a kept pair surely suppresses, and which one might."""
    threshold = np.float32(parameters.nms_threshold)
    surely, maybe = np.zeros_like(kept), np.zeros_like(kept)
    if threshold >= 1:  # which no IoU exceeds, however it is rounded
        return surely, maybe
    for box, c in np.argwhere(kept):
        overlap = iou(boxes[box : box + 1], boxes)[0][:, None]  # [N, 1]
        others = slice(None) if parameters.class_agnostic else slice(c, c + 1)
        better = scores[box, c] - scores[:, others]  # [N, C] or [N, 1]
        margin = margins.iou(boxes[box])
        surely[:, others] |= (overlap > threshold + margin) & (better > margins.score)
        maybe[:, others] |= (overlap > 0) & (overlap >= threshold - margin) & (better >= -margins.score)
    return surely, maybe
