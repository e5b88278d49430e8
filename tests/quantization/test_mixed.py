"""The node: what plain INT8 breaks, it mends with the fewest layers in float, and says how it came to them."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import yaml
from onnx import numpy_helper
from pydantic import ValidationError

from exporter.common.errors import BuildError
from exporter.evaluation.examples import GroundTruth
from exporter.evaluation.scores import scores
from exporter.postprocessing import reference
from exporter.postprocessing.detections import Detections
from exporter.postprocessing.nms.onnx import OnnxNms
from exporter.quantization import section
from exporter.quantization.int8 import Int8
from exporter.quantization.mixed import Mixed
from exporter.quantization.plan import plan
from exporter.quantization.task import Task
from tests.quantization.networks import made_images, run
from tests.quantization.outliers import DEPTH, contract_core, plant

CONF = Path(__file__).parents[2] / "conf" / "quantization"
NMS = OnnxNms().resolved(0.3, 0.5)
BROKEN = ("layer2.conv/Conv", "layer3.conv/Conv")
BOUND = 3.0


def task(core, **arguments):
    return Task(core, **{"images": made_images(6, 32), "nms": NMS, "input_range": (0.0, 1.0)} | arguments)


def found(model, parameters=NMS):
    """Detections of every image, by the plain reference."""
    rows = [reference.detections(*(each[0] for each in run(model, image)), parameters) for image in made_images(6, 32)]
    return [Detections(r[:, :4], r[:, 4], r[:, 5].astype(np.int64)) for r in rows]


def mean_precision(model, float_model):
    """mAP of a model against what the float one finds with a score of at least 0.5."""
    sure = [GroundTruth.of(d.boxes[d.scores >= 0.5], d.classes[d.scores >= 0.5]) for d in found(float_model)]
    return scores(found(model), sure, 2).map


@pytest.fixture(scope="module")
def broken():
    return plant(contract_core(), *BROKEN)


@pytest.fixture(scope="module")
def mended(broken):
    return Mixed(max_drop=BOUND, num_ranking_images=2).quantize(task(broken))


def test_the_planted_outlier_is_nothing_to_float_and_ruins_int8(broken):
    for whole, planted in zip(
        run(contract_core(), made_images(1, 32)[0]), run(broken, made_images(1, 32)[0]), strict=True
    ):
        np.testing.assert_array_equal(whole, planted)
    plain = Int8().quantize(task(broken)).model
    assert mean_precision(broken, broken) - mean_precision(plain, broken) > 20


def test_two_layers_in_float_mend_it(broken, mended):
    summary = mended.summary
    assert set(summary.left_for_accuracy) == set(BROKEN)
    assert set(BROKEN) < set(summary.convolutions.left_in_float)
    assert summary.convolutions.int8 == DEPTH - 2
    assert summary.drop == pytest.approx(100 - mean_precision(mended.model, broken), abs=1e-3)
    assert 0 <= summary.drop <= BOUND


def test_no_smaller_set_would_do(broken):
    known = plan(task(broken), Int8())
    for in_float in [(), *combinations(known.layers, 1)]:
        model = known.model([layer for layer in known.layers if layer not in in_float])
        assert 100 - mean_precision(model, broken) > BOUND, in_float


def test_the_manifest_says_how_it_came_to_them(mended):
    summary = mended.summary
    assert section.Mixed.model_validate_json(summary.model_dump_json()) == summary
    assert summary.precision == "mixed" and summary.max_drop == BOUND
    assert {row.layer for row in summary.ranking[:2]} == set(BROKEN)
    assert len(summary.ranking) == DEPTH
    (chosen,) = [each for each in summary.tried if each.chosen]
    assert (chosen.in_int8, chosen.drop) == (DEPTH - 2, summary.drop)
    counts = [each.in_int8 for each in summary.tried]
    assert counts[:3] == [DEPTH, DEPTH - 1, DEPTH - 2] and all(each.drop > BOUND for each in summary.tried[:2])
    # Whether the worst one could go after all was tried too.
    given_back = [each.given_back for each in summary.tried if each.given_back]
    assert given_back == [[summary.ranking[0].layer]]
    assert summary.labels.startswith("detections of the float core")
    assert summary.num_images == {"ranking": 2, "drop": 6}
    assert set(mended.variants) >= {DEPTH, DEPTH - 2}
    again = mended.variants[DEPTH - 2]()
    assert again.SerializeToString(deterministic=True) == mended.model.SerializeToString(deterministic=True)


def test_the_same_again_in_batches_gives_the_same_layers(mended):
    """Batches of four for six images: the last one is filled up, and what fills it counts for nothing."""
    core = plant(contract_core(batch=4), *BROKEN)
    summary = Mixed(max_drop=BOUND, num_ranking_images=2).quantize(task(core)).summary
    assert summary.left_for_accuracy == mended.summary.left_for_accuracy
    assert summary.map == mended.summary.map


def test_where_int8_is_good_enough_it_is_int8():
    core = contract_core(depth=2)
    mixed, plain = Mixed(max_drop=BOUND, num_ranking_images=1).quantize(task(core)), Int8().quantize(task(core))
    assert mixed.model.SerializeToString(deterministic=True) == plain.model.SerializeToString(deterministic=True)
    assert mixed.summary.left_for_accuracy == []


def test_patterns_hold_here_too(broken):
    node = Mixed(max_drop=BOUND, num_ranking_images=1, include=("layer0", "layer3"), exclude=("layer0",))
    with pytest.raises(BuildError, match=r"max_drop=3: none of 1 sets .* the best loses \d+\.\d+ points, on 6 calibration"
                       r" images, with 0 of 1 layers in float"):  # fmt: skip
        node.quantize(task(broken))


def test_the_images_own_labels_go_before_the_networks_opinion():
    core = contract_core(depth=2)
    ground_truths = [GroundTruth.of(d.boxes[:1], d.classes[:1]) for d in found(core)]
    held = replace(task(core), ground_truths=lambda: iter(ground_truths))
    summary = Mixed(max_drop=20, num_ranking_images=1).quantize(held).summary
    assert summary.labels == "the pictures' own"
    assert summary.map["float"] == scores(found(core), ground_truths, 2).map


def test_labels_of_which_nothing_is_found_are_refused():
    away = GroundTruth.of(np.array([[900.0, 900.0, 950.0, 950.0]]), np.zeros(1))
    with pytest.raises(BuildError, match="finds none of the labelled objects on 6 calibration images"):
        Mixed().quantize(task(contract_core(depth=2), ground_truths=lambda: iter([away] * 6)))


def test_a_network_that_is_sure_of_nothing_is_refused():
    core = contract_core(depth=2)
    for tensor in core.graph.initializer:
        if tensor.name == "cls_pred.bias":
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) - np.float32(99), tensor.name))
    with pytest.raises(
        BuildError, match=r"no object on 6 calibration images \(detections of the float core, scored 0\.5"
    ):
        Mixed().quantize(task(core))


@pytest.mark.parametrize(
    "fields",
    [{"max_drop": -0.1}, {"max_drop": float("nan")}, {"num_drop_images": 0}, {"num_ranking_images": 33}],
    ids=str,
)
def test_fields_that_mean_nothing_are_refused(fields):
    with pytest.raises(ValidationError):
        Mixed(**fields)


def test_the_yaml_holds_every_field_with_its_default():
    written = yaml.safe_load((CONF / "mixed.yaml").read_text(encoding="utf-8"))
    assert written.pop("_target_") == "exporter.quantization.Mixed"
    assert written == Mixed().model_dump(mode="json")
