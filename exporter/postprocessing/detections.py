"""Finished detections, and how they are read from an artifact's outputs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np


@dataclass(frozen=True)
class Detections:
    """Of one image, best first: boxes [n, 4] float32 xyxy, scores [n] float32, classes [n] int64."""

    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray

    @classmethod
    def of_rows(cls, rows: np.ndarray) -> Self:
        """From rows [n, 6] float32: x1, y1, x2, y2, score, class."""
        return cls(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int64))


@dataclass(frozen=True)
class AllBoxes:
    """Of one image, before NMS: boxes [N, 4] float32 xyxy in pixels of the network's input, scores [N, C] float32."""

    boxes: np.ndarray
    scores: np.ndarray


Read = Callable[[Mapping[str, np.ndarray], int], list[Detections]]
"""From outputs by name, and how many images they are of, to the detections of each."""
ReadBoxes = Callable[[Mapping[str, np.ndarray], int], list[AllBoxes]]


def all_boxes(outputs: Mapping[str, np.ndarray], batch: int) -> list[AllBoxes]:
    """Those of each image of the batch, from the outputs of an artifact without NMS and without a format."""
    return [AllBoxes(outputs["pred_boxes"][i], outputs["pred_scores"][i]) for i in range(batch)]


def rows(outputs: Mapping[str, np.ndarray], batch: int) -> list[Detections]:
    """The artifact's outputs, in either of the exporter's own formats, for each image of the batch."""
    if "flat_predictions" in outputs:
        flat = outputs["flat_predictions"]
        own = [flat[flat[:, 0] == i] for i in range(batch)]
        return [Detections.of_rows(r[:, 1:]) for r in own]
    found = []
    for i in range(batch):
        n = int(outputs["num_predictions"][i, 0])
        if not 0 <= n <= outputs["pred_scores"].shape[1]:
            raise ValueError(f"num_predictions is {n}")
        boxes, scores, classes = (outputs[f"pred_{k}"][i, :n] for k in ("boxes", "scores", "classes"))
        found.append(Detections(boxes, scores, classes.astype(np.int64)))
    return found
