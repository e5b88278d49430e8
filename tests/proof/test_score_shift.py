"""Scores that all move one way while mAP stays are no longer the network's."""

from dataclasses import replace
from functools import partial

import pytest

from exporter.common.errors import BuildError
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.proof.prove import torch_outputs
from tests.making import attach, prove
from tests.proof.spoiled import squeezed


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
