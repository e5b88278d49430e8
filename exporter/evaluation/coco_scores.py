"""COCO average precision of detections held in memory."""

from collections.abc import Sequence

import numpy as np

from exporter.evaluation.examples import GroundTruth
from exporter.evaluation.scores import scores
from exporter.postprocessing.detections import Detections as Found

Detections = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Of one image: boxes float [n, 4] xyxy pixels, scores float [n] in 0..1, classes int [n]."""
GroundTruths = tuple[np.ndarray, np.ndarray]
"""Of one image: boxes float [n, 4] xyxy pixels, classes int [n]."""


def coco_scores(
    detections: Sequence[Detections], ground_truths: Sequence[GroundTruths], class_names: Sequence[str]
) -> dict[str, float]:
    """COCO's map (over IoU 0.5 ... 0.95), ap50 and ap75 in 0..1, over at most 100 detections an image.

    detections[i] and ground_truths[i] are of the same image. Raises ValueError where they differ in number or where
    there is no true box at all: precision would have no meaning.
    """
    found = [Found(*each) for each in detections]
    scored = scores(found, [GroundTruth.of(*each) for each in ground_truths], len(class_names))
    return {key: value / 100 for key, value in (("map", scored.map), ("ap50", scored.ap50), ("ap75", scored.ap75))}
