"""Scores that all move one way while mAP stays are no longer the network's."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from exporter.common.errors import BuildError
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.postprocessing.detections import Detections
from exporter.proof.detections import bounded_shift, score_shift
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


def test_few_detections_are_reported_and_not_bounded():
    few, many = (score_shift([found([0.5] * n)], [found([0.9] * n)]) for n in (9, 10))
    assert bounded_shift(few) is None and bounded_shift(many) == pytest.approx(0.4)


def test_int8_that_squeezes_confidences_fails(parts):
    """0.8 of each score: the order of detections stays, and so does mAP."""
    _, loaded, core = parts
    overrides = ["+recipe=yolo_nas_s_int8", "input.size=96", "proof.num_images=1", "proof.num_scenes=16"]
    recipe = check(compose([*overrides, "proof.max_map_drop=100", "proof.mean_score_error=1"]))
    artifact = attach(squeezed(core, 0.8), recipe).SerializeToString()
    with pytest.raises(BuildError, match=r"network: max_score_shift is 0\.1\d+, allowed 0\.05; nothing"):
        prove(artifact, loaded, recipe, partial(torch_outputs, loaded))
    wide = replace(recipe, proof=recipe.proof.model_copy(update={"max_score_shift": 1.0}))
    section = prove(artifact, loaded, wide, partial(torch_outputs, loaded)).detections
    assert -0.2 < section.score_shift.median < -0.1 and abs(section.map_drop) < 5
