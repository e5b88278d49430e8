"""Which detections are of one object, and how their scores moved."""

import numpy as np
import pytest

from exporter.evaluation.matched import bounded_shift, matched, pairs, score_shift
from exporter.postprocessing.detections import Detections


def found(scores):
    corners = 20.0 * np.arange(len(scores), dtype=np.float32)[:, None] + np.zeros((1, 2), np.float32)
    boxes = np.concatenate([corners, corners + 10], axis=1)
    return Detections(boxes, np.asarray(scores, np.float32), np.zeros(len(scores), np.int64))


def test_the_shift_is_of_confident_matched_detections():
    wanted = found([0.9, 0.8, 0.7, 0.1])
    shift = score_shift([found([0.8, 0.7, 0.6, 0.9])], [wanted])
    assert shift is not None and (shift.matched, shift.median, shift.p5, shift.p95) == (3, -0.1, -0.1, -0.1)
    assert score_shift([found([])], [wanted]) is None and bounded_shift(None) is None


def test_what_is_matched_is_described_by_its_means():
    wanted, other = found([0.9, 0.8, 0.7, 0.1]), found([0.8, 0.8, 0.6])
    other.boxes[0, [0, 2]] += 2  # an overlap of 80 in 120
    got = matched([other, found([])], [wanted, found([0.5])])
    shift = got.pop("score_shift")
    assert got == {"boxes": 5, "matched": 3, "mean_iou": 0.88889, "mean_score_difference": 0.06667}
    assert (shift["matched"], shift["median"], shift["p5"], shift["p95"]) == (3, -0.1, -0.1, -0.01)
    nothing = {"matched": 0, "mean_iou": None, "mean_score_difference": None, "score_shift": None}
    assert matched([found([])], [wanted]) == {"boxes": 4, **nothing}


def test_a_pair_has_one_class_and_half_an_overlap_and_each_box_one_partner():
    wanted, half, less, other = (found([0.9]) for _ in range(4))
    half.boxes[0, 3], less.boxes[0, 3], other.classes[0] = 5, 4.9, 1
    assert pairs(half, wanted) == [(0, 0, 0.5)] and pairs(less, wanted) == pairs(other, wanted) == []
    both = Detections(*(np.concatenate(each) for each in zip(vars(half).values(), vars(wanted).values(), strict=True)))
    assert pairs(both, wanted) == [(1, 0, 1.0)] and pairs(wanted, both) == [(0, 1, 1.0)]


def test_few_detections_are_reported_and_not_bounded():
    few, many = (score_shift([found([0.5] * n)], [found([0.9] * n)]) for n in (9, 10))
    assert bounded_shift(few) is None and bounded_shift(many) == pytest.approx(0.4)
