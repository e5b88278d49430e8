"""Scores that all move one way while mAP stays are no longer the network's."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from exporter.common.errors import BuildError
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.postprocessing.detections import Detections
from exporter.proof.detections import bounded_shift, matched, pairs, score_shift
from exporter.proof.prove import torch_outputs
from tests.making import attach, prove
from tests.proof.spoiled import squeezed


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


def test_int8_that_squeezes_confidences_fails(parts):
    """0.8 of each score: the order of detections stays, and so does mAP."""
    _, loaded, core = parts
    overrides = ["+recipe=yolo_nas_s_int8", "input.size=96", "proof.num_images=1", "proof.num_scenes=16"]
    recipe = check(compose([*overrides, "proof.max_map_drop=100", "proof.mean_score_error=1"]))
    artifact = attach(squeezed(core, 0.8), recipe).SerializeToString()
    with pytest.raises(BuildError, match=r"network: max_score_shift is 0\.1\d+, allowed 0\.05; try other ranges"):
        prove(artifact, loaded, recipe, partial(torch_outputs, loaded))
    wide = replace(recipe, proof=recipe.proof.model_copy(update={"max_score_shift": 1.0}))
    section = prove(artifact, loaded, wide, partial(torch_outputs, loaded)).detections
    assert -0.2 < section.score_shift.median < -0.1 and abs(section.map_drop) < 5
