"""The proof fails for artifacts that are not the network: each is spoiled in one way that users have met."""

from functools import partial

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from exporter.common.errors import BuildError
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.preprocessing.attach_input import attach_input
from exporter.preprocessing.normalization import Normalization
from exporter.proof.prove import torch_outputs
from tests.making import attach, prove, traced
from tests.proof.bases import FLOAT


def finished(core, recipe, normalization=None, channels="rgb"):
    """The artifact's bytes; with another normalisation or order of channels than the recipe's where given."""
    with_input = attach_input(core, normalization or recipe.preprocessing.normalization, "uint8", "nchw", channels)
    model = recipe.format.attach(recipe.nms.attach(with_input))
    return recipe.backend.finish(model).SerializeToString()


def test_the_network_itself_passes(parts):
    recipe, loaded, core = parts
    proof = prove(finished(core, recipe), loaded, recipe, partial(torch_outputs, loaded))
    assert proof.network.max_score_error < 1e-4
    assert proof.postprocessing.rows > 0
    assert proof.detections.map is None
    assert proof.detections.why


def test_swapped_channels_fail(parts):
    recipe, loaded, core = parts
    with pytest.raises(BuildError, match="max_score_error"):
        prove(finished(core, recipe, channels="bgr"), loaded, recipe, partial(torch_outputs, loaded))


def test_normalisation_left_out_fails(parts):
    recipe, loaded, core = parts
    with pytest.raises(BuildError, match="max_score_error"):
        prove(finished(core, recipe, Normalization(std=(1, 1, 1))), loaded, recipe, partial(torch_outputs, loaded))


def test_one_weight_changed_after_tracing_fails(parts):
    recipe, loaded, core = parts
    spoiled = onnx.ModelProto()
    spoiled.CopyFrom(core)
    weight = next(i for i in spoiled.graph.initializer if i.name == "backbone.stage2.downsample.rbr_reparam.weight")
    values = numpy_helper.to_array(weight).copy()
    values[0, 0, 1, 1] += 0.5
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    with pytest.raises(BuildError, match="max_"):
        prove(finished(spoiled, recipe), loaded, recipe, partial(torch_outputs, loaded))


@pytest.mark.parametrize("parameter", ["nms_threshold", "max_predictions_per_image", "multi_label"])
def test_another_nms_than_the_recipes_fails(parts, parameter):
    recipe, loaded, core = parts
    other = {"nms_threshold": 0.05, "max_predictions_per_image": 2, "multi_label": False}[parameter]
    # A low threshold, so that every parameter makes a difference on two images.
    wanted = recipe.nms.model_copy(update={"confidence_threshold": 0.005})
    from dataclasses import replace

    recipe = replace(recipe, nms=wanted)
    spoiled = replace(recipe, nms=wanted.model_copy(update={parameter: other}))
    said = "promised is" if parameter == "max_predictions_per_image" else "not what the contract of the NMS gives"
    with pytest.raises(BuildError, match=said):
        prove(finished(core, spoiled), loaded, recipe, partial(torch_outputs, loaded))


def test_nan_is_beyond_every_bound(parts):
    recipe, loaded, core = parts
    spoiled = onnx.ModelProto()
    spoiled.CopyFrom(core)
    bias = next(i for i in spoiled.graph.initializer if i.name == "heads.head1.cls_pred.bias")
    bias.CopyFrom(numpy_helper.from_array(np.full(8, np.nan, np.float32), bias.name))
    with pytest.raises(BuildError):
        prove(finished(spoiled, recipe), loaded, recipe, partial(torch_outputs, loaded))


def test_without_pre_processing_the_same_network_passes(parts):
    _, loaded, _ = parts
    recipe = check(compose([*FLOAT, "preprocessing=none", "postprocessing/nms=none"]))
    proof = prove(
        attach(traced(recipe), recipe).SerializeToString(),
        loaded,
        recipe,
        partial(torch_outputs, loaded),
    )
    assert proof.postprocessing is None
    assert proof.network.max_score_error < 1e-4
