"""Average precision and suppression: known answers, and nothing printed."""

import numpy as np
import pytest
import torch

from exporter.demo.scenes import CLASS_NAMES, scene
from exporter.evaluation.examples import GroundTruth
from exporter.evaluation.scores import scores
from exporter.postprocessing.detections import Detections
from tests.demo.training.evaluate import detect


def perfect(count: int = 12) -> tuple[list[Detections], list[GroundTruth]]:
    truths = [GroundTruth.of(s.boxes, s.classes) for s in (scene("evaluation", i, 192, 192) for i in range(count))]
    return [Detections(each.boxes, np.ones(len(each.boxes)), each.classes) for each in truths], truths


def scored(detections: list[Detections], truths: list[GroundTruth]) -> tuple[float, float, float]:
    found = scores(detections, truths, len(CLASS_NAMES))
    return found.map, found.ap50, found.ap75


def test_perfect_detections_score_all_points_in_silence(capfd: pytest.CaptureFixture[str]) -> None:
    assert scored(*perfect()) == (100, 100, 100)
    assert capfd.readouterr().out == ""


def test_wrong_classes_score_low() -> None:
    detections, truths = perfect()
    wrong = [Detections(each.boxes, each.scores, (each.classes + 1) % len(CLASS_NAMES)) for each in detections]
    assert scored(wrong, truths)[0] < 10


def test_loose_boxes_count_at_half_overlap_only() -> None:
    detections, truths = perfect()
    loose = []
    for each in detections:
        grow = (each.boxes[:, 2:] - each.boxes[:, :2]) * 0.11  # overlap 1 / 1.22**2 = 0.67
        grown = np.concatenate([each.boxes[:, :2] - grow, each.boxes[:, 2:] + grow], axis=1)
        loose.append(Detections(grown, each.scores, each.classes))
    _, ap50, ap75 = scored(loose, truths)
    assert ap50 > 95 and ap75 < 5


def test_images_without_detections_cost_recall() -> None:
    detections, truths = perfect()
    none = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, dtype=np.int64))
    assert 10 < scored([d if i % 2 else none for i, d in enumerate(detections)], truths)[0] < 90
    assert scored([none] * len(truths), truths) == (0, 0, 0)


def test_nothing_to_score_is_refused() -> None:
    detections, truths = perfect(2)
    with pytest.raises(ValueError, match="2 images of detections, 1 of ground truth"):
        scored(detections, truths[:1])
    with pytest.raises(ValueError, match="no true boxes"):
        scored([], [])


def test_suppression_keeps_the_best_of_each_class() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 11], [20, 20, 30, 30], [0, 0, 10, 5]])
    confidences = torch.tensor([[0.9, 0.3], [0.8, 0.5], [0.7, 0.0], [0.6, 0.005]])
    found = detect(boxes, confidences)
    kept, values, classes = found.boxes, found.scores, found.classes
    assert values.tolist() == pytest.approx([0.9, 0.7, 0.6, 0.5])
    assert classes.tolist() == [0, 0, 0, 1]
    assert kept.tolist() == boxes[[0, 2, 3, 1]].tolist()
