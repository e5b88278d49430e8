"""How much outputs suffer: the measure against its formula by hand, and the ranking of a network with a planted fault."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.evaluation.examples import GroundTruth
from exporter.postprocessing import reference
from exporter.postprocessing.nms.onnx import OnnxNms
from exporter.proof.tensors import Tensors
from exporter.quantization.error import in_place, quantization_error
from exporter.quantization.int8 import Int8
from exporter.quantization.plan import plan
from exporter.quantization.reference_evaluator import reference_evaluator
from exporter.quantization.sensitivity import ranking
from exporter.quantization.task import Task
from tests.quantization.networks import made_images, run
from tests.quantization.outliers import as_a_set, contract_core, plant

NMS = OnnxNms().resolved(0.3, 0.5)
FIRST, SECOND = "layer2.conv/Conv", "layer3.conv/Conv"


def outputs(seed, boxes=7, classes=3):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 50, (boxes, 2)).astype(np.float32)
    sides = rng.uniform(1, 30, (boxes, 2)).astype(np.float32)
    scores = rng.uniform(0, 1, (boxes, classes)).astype(np.float32)
    return Tensors(np.concatenate([corners, corners + sides], axis=1), scores, None)


@given(st.integers(0, 2**32 - 1))
def test_the_measure_is_its_formula(seed):
    want, have = [outputs(seed), outputs(seed + 1)], [outputs(seed + 2), outputs(seed + 3)]
    upper = lower = 0.0
    for w, h in zip(want, have, strict=True):
        for n in range(len(w.boxes)):
            best = float(w.scores[n].max())
            iou = float(reference.iou(w.boxes[n : n + 1], h.boxes[n : n + 1])[0, 0])
            upper += best**2 * (1 - iou)
            upper += sum(
                max(s, t) * abs(s - t) for s, t in zip(w.scores[n].tolist(), h.scores[n].tolist(), strict=True)
            )
            lower += best**2
    assert quantization_error(want, have) == pytest.approx(upper / lower, rel=1e-5)


def test_the_same_is_no_error_and_nothing_found_is_all_of_it():
    want = outputs(0, classes=1)
    assert quantization_error([want], [want]) == 0
    assert quantization_error([want], [Tensors(want.boxes, np.zeros_like(want.scores), None)]) == pytest.approx(1)
    shuffled = Tensors(want.boxes[::-1], want.scores[::-1], None)
    assert quantization_error([want], [shuffled]) > 1 and quantization_error([want], [in_place(want, shuffled)]) == 0
    unseen = Tensors(want.boxes * 0, np.zeros_like(want.scores), None)
    assert quantization_error([unseen], [unseen]) == 0


def held(core, **arguments):
    task = Task(core, images=made_images(4, 32), nms=NMS, input_range=(0.0, 1.0), **arguments)
    return plan(task, Int8()), reference_evaluator(task, 4)


def held_as(core, **arguments):
    known, yard = held(core, **arguments)
    return known.layers, known, yard


def test_the_layers_about_a_planted_outlier_come_first():
    known, yard = held(plant(contract_core(), FIRST, SECOND))
    ranked = ranking(known.layers, known, yard, 2)
    assert {each.layer for each in ranked[:2]} == {FIRST, SECOND}
    assert ranked[1].error > 10 * ranked[2].error and ranked[1].map_drop > 1
    assert sorted(each.layer for each in ranked) == sorted(known.layers)
    assert [each.error for each in ranked] == sorted((each.error for each in ranked), reverse=True)


def test_of_a_set_only_what_is_in_it_counts():
    """The same network, whose boxes come in another order with every rounding, has the same ranking."""
    core = plant(contract_core(), FIRST, SECOND)
    expected = ranking(*held_as(core), 2)
    ranked = ranking(*held_as(as_a_set(core), unordered=True), 2)
    assert {each.layer for each in ranked[:2]} == {FIRST, SECOND}
    for each in expected:
        (same,) = (other for other in ranked if other.layer == each.layer)
        assert same.map_drop == each.map_drop
        if each.layer not in (FIRST, SECOND):  # of what is broken nothing is where it was
            assert same.error == pytest.approx(each.error, rel=0.05)
    by_rows = ranking(*held_as(as_a_set(core)), 2)
    assert by_rows[-1].error > 5 * ranked[-1].error  # what a rounding costs where rows count


def test_images_without_an_object_give_an_error_but_no_drop():
    core = contract_core()
    boxes, scores = (each[0] for each in run(core, made_images(4, 32)[3]))
    (best, *_) = reference.detections(boxes, scores, NMS)
    nothing, something = GroundTruth.of(np.zeros((0, 4)), np.zeros(0)), GroundTruth.of(best[:4], best[5:])
    known, yard = held(core, ground_truths=lambda: iter([nothing, nothing, nothing, something]))
    (only,) = ranking(known.layers[:1], known, yard, 2)
    assert only.map_drop is None and only.error > 0
