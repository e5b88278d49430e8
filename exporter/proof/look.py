"""What a network, an artifact's or torch's, does with images: how it scores them, and how it answers to them at all."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import islice

import numpy as np

from exporter.demo.scenes import scene
from exporter.evaluation.scores import scores as average_precision
from exporter.postprocessing.detections import Detections
from exporter.proof.at_hand import AtHand
from exporter.proof.section import Seen

NUM_PROBES = 4
HIGH, SATURATED = 0.9, 0.99
"""A score that few boxes should have, and a share of them that none should."""
QUIET, RUNAWAY = 1.0, 18.0
"""Of `Look.response`: below and above, something is wrong, or the network is hardly trained."""
_SMALLEST = 1e-12  # probabilities beyond are no better known


@dataclass(frozen=True)
class Look:
    """best: [n], the best score of each image. saturated: the share of boxes whose best score is above 0.9. ap50: in
    points of 100, None without labels. response: how far class logits move from those of a black image when a synthetic
    image is shown, the 99th percentile of all boxes and classes. A network answers to any image with colours and edges,
    whatever it was trained on: a trained one by 3 to 15. One that is fed a 255th of what it should get, by less than
    0.6, and one that is fed 255 times as much, by more than 20."""

    best: np.ndarray
    saturated: float
    ap50: float | None
    response: float

    def detected_on(self, threshold: float) -> int:
        """On how many images there is a detection."""
        return int((self.best > threshold).sum())

    def metrics(self, threshold: float) -> Seen:
        """For the manifest."""
        return Seen(
            best_score=round(float(self.best.max()), 5),
            detected_on=self.detected_on(threshold),
            saturated=round(self.saturated, 5),
            ap50=self.ap50,
            response=round(self.response, 4),
        )


@cache
def probes(height: int, width: int) -> np.ndarray:
    """uint8 [NUM_PROBES, height, width, 3] RGB: a black image, then synthetic images."""
    synthetic = [scene("proof", i, height, width).image for i in range(NUM_PROBES - 1)]
    return np.stack([np.zeros((height, width, 3), np.uint8), *synthetic])


def look(outcomes: Iterable[tuple[np.ndarray, Detections | None]], images: AtHand, num_classes: int) -> Look:
    """outcomes: of the `probes`, then of the images, scores [N, C] before NMS and detections in pixels of the input,
    which only labelled images need."""
    each = iter(outcomes)
    black, *synthetic = (_logits(scores) for scores, _ in islice(each, NUM_PROBES))
    response = float(np.quantile(np.abs(np.stack(synthetic) - black), 0.99))
    best, saturated, found = [], [], []
    for scores, detections in each:
        of_boxes = scores.max(axis=1)
        best.append(of_boxes.max())
        saturated.append((of_boxes > HIGH).mean())
        found.append(detections)
    ap50 = average_precision(found, images.ground_truths, num_classes).ap50 if images.ground_truths else None
    return Look(np.array(best), float(np.mean(saturated)), ap50, response)


def _logits(scores: np.ndarray) -> np.ndarray:
    clipped = scores.astype(np.float64).clip(_SMALLEST, 1 - _SMALLEST)
    return np.log(clipped / (1 - clipped))
