"""Which boxes of two detectors are of one object, and how their scores moved from one to the other."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from exporter.evaluation.section import ScoreShift
from exporter.postprocessing import reference
from exporter.postprocessing.detections import Detections

SURE, MIN_MATCHED = 0.25, 10
"""A score below which detections are many and move little, whatever becomes of those that count; and how many of them
make a median."""


def matched(found: Sequence[Detections], wanted: Sequence[Detections]) -> dict[str, Any]:
    """What `pairs` gives of each image: how many, their mean IoU and score difference, and `score_shift`."""
    ious, differences, total = [], [], 0
    for f, w in zip(found, wanted, strict=True):
        total += max(len(f.scores), len(w.scores))
        for i, j, iou in pairs(f, w):
            ious.append(iou)
            differences.append(abs(float(w.scores[j]) - float(f.scores[i])))
    shift = score_shift(found, wanted)
    return {
        "boxes": total,
        "matched": len(ious),
        "mean_iou": round(float(np.mean(ious)), 5) if ious else None,
        "mean_score_difference": round(float(np.mean(differences)), 5) if differences else None,
        "score_shift": shift.model_dump() if shift else None,
    }


def score_shift(found: Sequence[Detections], wanted: Sequence[Detections]) -> ScoreShift | None:
    """How scores moved from `wanted`, those of at least `SURE`, to `found`, image by image; None where nothing can
    be matched."""
    moves = []
    for f, w in zip(found, wanted, strict=True):
        sure = w.scores >= SURE
        known = Detections(w.boxes[sure], w.scores[sure], w.classes[sure])
        moves += [float(f.scores[i]) - float(known.scores[j]) for i, j, _ in pairs(f, known)]
    if not moves:
        return None
    median, low, high = (round(float(each), 5) for each in np.percentile(moves, (50, 5, 95)))
    return ScoreShift(matched=len(moves), median=median, p5=low, p95=high)


def bounded_shift(shift: ScoreShift | None) -> float | None:
    """What `proof.max_score_shift` bounds: the median, either way. Tails are noise, of boxes that are hard to see; what
    squeezes all scores moves it. None where it is of fewer than `MIN_MATCHED`."""
    return abs(shift.median) if shift and shift.matched >= MIN_MATCHED else None


def pairs(found: Detections, wanted: Detections) -> list[tuple[int, int, float]]:
    """Boxes of one class and an IoU of at least 0.5, the best first: indices in `found` and `wanted`, and the IoU."""
    matches = []
    overlap = reference.iou(wanted.boxes, found.boxes) * (wanted.classes[:, None] == found.classes[None])
    while overlap.size and overlap.max() >= 0.5:
        j, i = np.unravel_index(overlap.argmax(), overlap.shape)
        matches.append((int(i), int(j), float(overlap[j, i])))
        overlap[j], overlap[:, i] = 0, 0
    return matches
