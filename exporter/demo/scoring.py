"""COCO average precision of detections held in memory."""

from collections.abc import Sequence

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster

Detections = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Of one picture: boxes float [n, 4] xyxy pixels, scores float [n] in 0..1, classes int [n]."""
Truths = tuple[np.ndarray, np.ndarray]
"""Of one picture: boxes float [n, 4] xyxy pixels, classes int [n]."""


def _quiet(*_: object) -> None:
    pass


def coco_scores(
    detections: Sequence[Detections], truths: Sequence[Truths], class_names: Sequence[str]
) -> dict[str, float]:
    """COCO's map (over IoU 0.5 ... 0.95), ap50 and ap75 in 0..1, over at most 100 detections a picture.

    detections[i] and truths[i] are of the same picture. Raises ValueError where they differ in number or where
    there is no true box at all: precision would have no meaning.
    """
    if len(detections) != len(truths):
        raise ValueError(f"{len(detections)} pictures of detections, {len(truths)} of truths: give one each")
    annotations = [
        {"image_id": image, "category_id": int(c), "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
        for image, (boxes, classes) in enumerate(truths)
        for box, c in zip(_xywh(boxes), classes, strict=True)
    ]
    if not annotations:
        raise ValueError("no true boxes in these pictures: there is nothing to score")
    results = [
        {"image_id": image, "category_id": int(c), "bbox": box, "score": float(score)}
        for image, (boxes, scores, classes) in enumerate(detections)
        for box, score, c in zip(_xywh(boxes), scores, classes, strict=True)
    ]
    if not results:
        return {"map": 0.0, "ap50": 0.0, "ap75": 0.0}
    # COCO takes an annotation id of 0 for "unmatched".
    for identity, annotation in enumerate(annotations, start=1):
        annotation["id"] = identity
    dataset = {
        "images": [{"id": image} for image in range(len(truths))],
        "categories": [{"id": i, "name": name} for i, name in enumerate(class_names)],
        "annotations": annotations,
    }
    truth = COCO(dataset, print_function=_quiet)
    evaluation = COCOeval_faster(truth, truth.loadRes(results), "bbox", print_function=_quiet)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return {key: float(value) for key, value in zip(("map", "ap50", "ap75"), evaluation.stats, strict=False)}


def _xywh(boxes: np.ndarray) -> list[list[float]]:
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).tolist()
