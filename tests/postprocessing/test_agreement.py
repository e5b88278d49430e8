"""What counts as a rounding and what as a fault."""

import numpy as np
import pytest

from exporter.postprocessing.agreement import unexplained
from exporter.postprocessing.nms.onnx import OnnxNms
from exporter.postprocessing.reference import detections, mismatches

PARAMETERS = [
    {"nms_threshold": 0.5},
    {"nms_threshold": 0.5, "class_agnostic": True},
    {"nms_threshold": 0.5, "multi_label": False},
    {"nms_threshold": 0.5, "num_pre_nms_predictions": 12, "max_predictions_per_image": 12},
    {"nms_threshold": 0.5, "max_candidates_per_image": 25, "max_predictions_per_image": 20},
    {
        "nms_threshold": 0.5,
        "max_candidates_per_image": 12,
        "num_pre_nms_predictions": 12,
        "multi_label": False,
        "max_predictions_per_image": 12,
    },
    {"nms_threshold": 0.0},
    {"nms_threshold": 1.0, "class_agnostic": True},
]


def scene(seed: int, n: int = 40, num_classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    corner, size = rng.random((n, 2)) * 60, 10 + rng.random((n, 2)) * 30
    scores = rng.permutation(np.linspace(0.01, 0.99, n * num_classes)).reshape(n, num_classes)
    return np.concatenate([corner, corner + size], axis=1).astype(np.float32), scores.astype(np.float32)


@pytest.mark.parametrize("settings", PARAMETERS)
@pytest.mark.parametrize("seed", range(5))
def test_the_reference_is_right_and_each_change_to_it_is_wrong(settings: dict, seed: int):
    parameters = OnnxNms(confidence_threshold=0.25, **settings)
    boxes, scores = scene(seed)
    rows = detections(boxes, scores, parameters)
    assert len(rows) > 3
    assert unexplained(rows, boxes, scores, parameters) == 0
    assert unexplained(rows + np.array([0.01, -0.01, 0, 0.01, 1e-7, 0], np.float32), boxes, scores, parameters) == 0

    middle = len(rows) // 2
    wrong = {
        "missing": np.delete(rows, middle, axis=0),
        "twice": np.insert(rows, middle, rows[middle], axis=0),
        "order": rows[::-1],
        "moved": rows + np.eye(1, 6, 0, dtype=np.float32),
        "class": np.where(np.arange(6) == 5, (rows + 1) % 3, rows),
        "no such class": np.where(np.arange(6) == 5, np.nan, rows),
        "none": rows[:0],
    }
    for fault, got in wrong.items():
        assert unexplained(got, boxes, scores, parameters) > 0, fault


@pytest.mark.parametrize("other", [
    {"nms_threshold": 0.6}, {"confidence_threshold": 0.3}, {"class_agnostic": True}, {"multi_label": False},
    {"num_pre_nms_predictions": 25, "max_predictions_per_image": 25}, {"max_predictions_per_image": 5},
    {"max_candidates_per_image": 15},
])  # fmt: skip
def test_rows_of_other_parameters_are_wrong(other: dict):
    parameters = OnnxNms(confidence_threshold=0.25, nms_threshold=0.5)
    others = parameters.model_copy(update=other)
    boxes, scores = scene(0)
    assert unexplained(detections(boxes, scores, others), boxes, scores, parameters) > 0
    assert unexplained(detections(boxes, scores, parameters), boxes, scores, others) > 0


def test_near_equal_scores_may_come_in_either_order():
    parameters = OnnxNms(confidence_threshold=0.25, nms_threshold=0.5)
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [3.6, 0, 13.6, 10]], dtype=np.float32)
    scores = np.array([[0.8], [0.8 - 1e-7], [0.5]], dtype=np.float32)
    swapped = np.array([[0.8 - 1e-7], [0.8], [0.5]], dtype=np.float32)  # keeps the second, which suppresses the third
    got = detections(boxes, swapped, parameters)
    assert mismatches(got, detections(boxes, scores, parameters)) == 3
    assert unexplained(got, boxes, scores, parameters) == 0


def test_near_equal_scores_may_lie_on_either_side_of_the_bound_on_candidates():
    parameters = OnnxNms(
        confidence_threshold=0.25, nms_threshold=0.5, max_candidates_per_image=1, max_predictions_per_image=1
    )
    boxes = np.array([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]], dtype=np.float32)
    scores = np.array([[0.8], [0.8 - 1e-7], [0.7]], dtype=np.float32)
    for box, wrong in ((0, False), (1, False), (2, True)):
        row = np.concatenate([boxes[box], scores[box], [0]], dtype=np.float32)[None]
        assert (unexplained(row, boxes, scores, parameters) > 0) == wrong, box


def test_a_rounding_at_a_threshold_may_go_either_way():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 5.0001]], dtype=np.float32)
    scores = np.array([[0.8], [0.25 + 1e-7]], dtype=np.float32)
    both = np.concatenate([boxes, scores, np.zeros((2, 1), np.float32)], axis=1)
    for iou in (0.5, 0.9):
        parameters = OnnxNms(confidence_threshold=0.25, nms_threshold=iou)
        assert unexplained(both, boxes, scores, parameters) == 0
        assert unexplained(both[:1], boxes, scores, parameters) == 0
    assert unexplained(both, boxes, scores, OnnxNms(confidence_threshold=0.26, nms_threshold=0.5)) == 1
    assert unexplained(both[:1], boxes, scores, OnnxNms(confidence_threshold=0.24, nms_threshold=0.9)) == 1
