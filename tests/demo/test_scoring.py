"""Average precision and suppression: known answers, and nothing printed."""

import numpy as np
import pytest
import torch

from exporter.demo.scenes import CLASS_NAMES, scene
from exporter.evaluation.coco_scores import Detections, GroundTruths, coco_scores
from tests.demo.training.evaluate import detect


def perfect(count: int = 12) -> tuple[list[Detections], list[GroundTruths]]:
    ground_truths = [(s.boxes, s.classes) for s in (scene("evaluation", i, 192, 192) for i in range(count))]
    return [(boxes, np.ones(len(boxes)), classes) for boxes, classes in ground_truths], ground_truths


def test_perfect_detections_score_one_in_silence(capfd: pytest.CaptureFixture[str]) -> None:
    detections, ground_truths = perfect()
    assert coco_scores(detections, ground_truths, CLASS_NAMES) == {"map": 1.0, "ap50": 1.0, "ap75": 1.0}
    assert capfd.readouterr().out == ""


def test_wrong_classes_score_low() -> None:
    detections, ground_truths = perfect()
    wrong = [(boxes, scores, (classes + 1) % len(CLASS_NAMES)) for boxes, scores, classes in detections]
    assert coco_scores(wrong, ground_truths, CLASS_NAMES)["map"] < 0.1


def test_loose_boxes_count_at_half_overlap_only() -> None:
    detections, ground_truths = perfect()
    loose = []
    for boxes, scores, classes in detections:
        grow = (boxes[:, 2:] - boxes[:, :2]) * 0.11  # overlap 1 / 1.22**2 = 0.67
        loose.append((np.concatenate([boxes[:, :2] - grow, boxes[:, 2:] + grow], axis=1), scores, classes))
    scores = coco_scores(loose, ground_truths, CLASS_NAMES)
    assert scores["ap50"] > 0.95 and scores["ap75"] < 0.05


def test_images_without_detections_cost_recall() -> None:
    detections, ground_truths = perfect()
    none: Detections = (np.zeros((0, 4)), np.zeros(0), np.zeros(0, dtype=np.int64))
    half = [d if i % 2 else none for i, d in enumerate(detections)]
    assert 0.1 < coco_scores(half, ground_truths, CLASS_NAMES)["map"] < 0.9
    assert coco_scores([none] * len(ground_truths), ground_truths, CLASS_NAMES) == {
        "map": 0.0,
        "ap50": 0.0,
        "ap75": 0.0,
    }


def test_nothing_to_score_is_refused() -> None:
    detections, ground_truths = perfect(2)
    with pytest.raises(ValueError, match="2 images of detections, 1 of ground truth"):
        coco_scores(detections, ground_truths[:1], CLASS_NAMES)
    with pytest.raises(ValueError, match="no true boxes"):
        coco_scores([], [], CLASS_NAMES)


def test_suppression_keeps_the_best_of_each_class() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 11], [20, 20, 30, 30], [0, 0, 10, 5]])
    scores = torch.tensor([[0.9, 0.3], [0.8, 0.5], [0.7, 0.0], [0.6, 0.005]])
    kept, values, classes = detect(boxes, scores)
    assert values.tolist() == pytest.approx([0.9, 0.7, 0.6, 0.5])
    assert classes.tolist() == [0, 0, 0, 1]
    assert kept.tolist() == boxes[[0, 2, 3, 1]].tolist()
