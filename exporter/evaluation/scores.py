"""COCO's average precision of detections, by faster-coco-eval."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from exporter.evaluation.examples import GroundTruth
from exporter.evaluation.section import Scores

if TYPE_CHECKING:
    from exporter.postprocessing.detections import Detections

SIZES = ("small", "medium", "large")
"""Objects of an area below 32², below 96² and above, in pixels of the image."""


def _quiet(*_: object) -> None:
    pass


def scores(found: Sequence["Detections"], ground_truths: Sequence[GroundTruth], num_classes: int) -> Scores:
    """Points of 100 over at most 100 detections an image; found[i] and ground_truths[i] are of the same image.

    Raises ValueError where they differ in number, or where there is no object at all: precision has no meaning then.
    """
    from faster_coco_eval import COCO, COCOeval_faster

    if len(found) != len(ground_truths):
        raise ValueError(f"{len(found)} images of detections, {len(ground_truths)} of ground truth: give one each")
    if not sum(int((~ground_truth.crowd).sum()) for ground_truth in ground_truths):
        raise ValueError("no true boxes in these images: there is nothing to score")
    shared = {
        "images": [{"id": i} for i in range(len(ground_truths))],
        "categories": [{"id": i, "name": str(i)} for i in range(num_classes)],
    }
    true = COCO({**shared, "annotations": _true_annotations(ground_truths)}, print_function=_quiet)
    detected = COCO({**shared, "annotations": _detected_annotations(found)}, print_function=_quiet)
    evaluation = COCOeval_faster(true, detected, "bbox", print_function=_quiet)
    evaluation.evaluate()
    evaluation.accumulate()
    # [10 IoU thresholds, 101 recalls, classes, 4 sizes (0: all), 3 limits of detections]; -1: no such object
    precision = evaluation.eval["precision"][..., -1]
    return Scores(
        map=_mean(precision[..., 0]) or 0.0,
        ap50=_mean(precision[0, ..., 0]) or 0.0,
        ap75=_mean(precision[5, ..., 0]) or 0.0,
        by_size={size: _mean(precision[..., i]) for i, size in enumerate(SIZES, start=1)},
        by_class=[_mean(precision[:, :, i, 0]) for i in range(num_classes)],
    )


def _mean(precision: np.ndarray) -> float | None:
    known = precision[precision > -1]
    return round(100 * float(known.mean()), 3) if known.size else None


def _true_annotations(ground_truths: Sequence[GroundTruth]) -> list[dict]:
    rows = [
        {"image_id": i, "category_id": int(c), "bbox": box, "area": float(area), "iscrowd": int(crowd)}
        for i, ground_truth in enumerate(ground_truths)
        for box, c, area, crowd in zip(
            _xywh(ground_truth.boxes), ground_truth.classes, ground_truth.areas, ground_truth.crowd, strict=True
        )
    ]
    return _numbered(rows)


def _detected_annotations(found: Sequence["Detections"]) -> list[dict]:
    rows = [
        {"image_id": i, "category_id": int(c), "bbox": box, "area": box[2] * box[3], "score": float(s), "iscrowd": 0}
        for i, each in enumerate(found)
        for box, s, c in zip(_xywh(each.boxes), each.scores, each.classes, strict=True)
    ]
    return _numbered(rows)


def _numbered(rows: list[dict]) -> list[dict]:
    """COCO takes an id of 0 for "unmatched", so they begin with 1."""
    return [{"id": identity, **row} for identity, row in enumerate(rows, start=1)]


def _xywh(boxes: np.ndarray) -> list[list[float]]:
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).tolist()
