"""What counts as a rounding and what as a fault."""

import numpy as np
import pytest

from exporter.postprocessing.agreement import Margins, unexplained
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


def of_one_class(boxes: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Rows x1, y1, x2, y2, score, class of boxes [N, 4] and scores [N, 1]."""
    return np.concatenate([boxes, scores, np.zeros_like(scores)], axis=1)


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
    both = of_one_class(boxes, scores)
    for iou in (0.5, 0.9):
        parameters = OnnxNms(confidence_threshold=0.25, nms_threshold=iou)
        assert unexplained(both, boxes, scores, parameters) == 0
        assert unexplained(both[:1], boxes, scores, parameters) == 0
    assert unexplained(both, boxes, scores, OnnxNms(confidence_threshold=0.26, nms_threshold=0.5)) == 1
    assert unexplained(both[:1], boxes, scores, OnnxNms(confidence_threshold=0.24, nms_threshold=0.9)) == 1


def test_a_row_stands_for_the_pair_that_it_is_nearest_to():
    """Of two that it could be: the other one is worse, and would leave the better one missing."""
    parameters = OnnxNms(confidence_threshold=0.25, nms_threshold=0.5)
    boxes = np.array([[0, 0, 10, 10], [0.01, 0, 10, 10]], dtype=np.float32)
    for both in ([0.8, 0.7996], [0.7996, 0.8]):
        scores = np.array(both, dtype=np.float32)[:, None]
        rows = detections(boxes, scores, parameters)
        assert len(rows) == 1 and unexplained(rows, boxes, scores, parameters) == 0


def test_every_wrong_decision_counts():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 8], [50, 0, 60, 10]], dtype=np.float32)
    scores = np.array([[0.8], [0.7], [0.6], [0.5]], dtype=np.float32)
    rows = of_one_class(boxes, scores)
    assert unexplained(rows, boxes, scores, OnnxNms(confidence_threshold=0.25, nms_threshold=0.5)) == 2  # overlap
    assert unexplained(rows, boxes, scores, OnnxNms(confidence_threshold=0.65, nms_threshold=1.0)) == 2  # score less
    assert unexplained(rows[:1], boxes, scores, OnnxNms(confidence_threshold=0.25, nms_threshold=1.0)) == 3  # missing


def test_the_last_box_in_front_of_the_cut_may_not_be_missing():
    parameters = OnnxNms(
        confidence_threshold=0.25, nms_threshold=0.5, num_pre_nms_predictions=2, max_predictions_per_image=2
    )
    boxes = np.array([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]], dtype=np.float32)
    scores = np.array([[0.8], [0.7], [0.6]], dtype=np.float32)
    rows = of_one_class(boxes, scores)
    assert unexplained(rows[:2], boxes, scores, parameters) == 0
    assert unexplained(rows[:1], boxes, scores, parameters) == 1
    assert unexplained(rows[[0, 2]], boxes, scores, parameters) == 2  # one missing, one behind the cut


def test_a_pair_behind_the_bound_on_candidates_may_not_take_the_place_of_a_suppressed_one():
    parameters = OnnxNms(
        confidence_threshold=0.25, nms_threshold=0.5, max_candidates_per_image=2, max_predictions_per_image=2
    )
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [40, 0, 50, 10]], dtype=np.float32)
    scores = np.array([[0.8], [0.7], [0.6]], dtype=np.float32)
    rows = of_one_class(boxes, scores)
    assert unexplained(rows[:1], boxes, scores, parameters) == 0
    assert unexplained(rows[[0, 2]], boxes, scores, parameters) == 1


def test_either_of_two_near_equal_classes_may_be_the_best():
    parameters = OnnxNms(confidence_threshold=0.25, nms_threshold=0.5, multi_label=False)
    boxes = np.array([[0, 0, 10, 10]], dtype=np.float32)
    for second, wrong in ((0.8 - 1e-7, 0), (0.8 - 1e-5, 2)):  # too low for it: one too many, and one missing
        scores = np.array([[0.8, second]], dtype=np.float32)
        for c in (0, 1):
            row = np.array([[*boxes[0], scores[0, c], c]], dtype=np.float32)
            assert unexplained(row, boxes, scores, parameters) == (wrong if c else 0)


def test_nothing_is_suppressed_at_a_threshold_of_1():
    boxes, scores = np.array([[0, 0, 10, 10]] * 2, dtype=np.float32), np.array([[0.8], [0.7]], dtype=np.float32)
    rows = of_one_class(boxes, scores)
    parameters = OnnxNms(confidence_threshold=0.25, nms_threshold=1.0)
    assert unexplained(rows, boxes, scores, parameters) == 0
    assert unexplained(rows[:1], boxes, scores, parameters) == 1


def test_a_score_is_excused_only_very_near_the_threshold():
    parameters, boxes = OnnxNms(confidence_threshold=0.25, nms_threshold=0.5), np.array([[0, 0, 10, 10]], np.float32)
    for below, wrong in ((0.5e-6, 0), (1.5e-6, 1)):
        for sign in (-1, 1):
            scores = np.array([[0.25 + sign * below]], dtype=np.float32)
            rows = np.array([[*boxes[0], scores[0, 0], 0]], dtype=np.float32)
            assert unexplained(rows[: sign == -1], boxes, scores, parameters) == wrong


def test_an_overlap_is_excused_only_very_near_the_threshold():
    parameters = OnnxNms(confidence_threshold=0.25, nms_threshold=0.5)
    for bottom, wrong in ((50.05, 0), (50.15, 1), (49.95, 0), (49.85, 1)):  # IoU 0.5005, 0.5015, 0.4995, 0.4985
        boxes = np.array([[0, 0, 100, 100], [0, 0, 100, bottom]], dtype=np.float32)
        scores = np.array([[0.8], [0.7]], dtype=np.float32)
        rows = of_one_class(boxes, scores)
        assert unexplained(rows if bottom > 50 else rows[:1], boxes, scores, parameters) == wrong, bottom


def test_margins_of_an_engine_are_as_many_roundings_as_it_says():
    assert Margins.of("f32", 640) == Margins()
    for precision, step in (("f16", 2**-11), ("bf16", 2**-8)):
        margins = Margins.of(precision, 640)
        assert (margins.score, margins.box, margins.any_box) == (step, 0.02 + 1920 * step, 0.02 + 5120 * step)
    assert Margins().iou(np.array([0, 0, 4, 8])) == pytest.approx(1e-3)
    rough = Margins(box=0.52)
    assert rough.iou(np.array([10, 10, 18, 90])) == pytest.approx(1e-3 + 0.25)  # 4 · 0.5 in the shorter side, 8
    assert rough.iou(np.array([10, 10, 10.5, 90])) == 1
