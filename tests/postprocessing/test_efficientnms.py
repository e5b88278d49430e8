"""TensorRT's NMS plugin: the reference against brute force, the emulation against the reference, both against the
contract, and where the two part."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from exporter.common.errors import BuildError, RequestError
from exporter.graph.emulate_plugin import Attributes, emulated
from exporter.postprocessing.agreement import unexplained
from exporter.postprocessing.detections import rows
from exporter.postprocessing.format.batch import BatchFormat
from exporter.postprocessing.format.flat import FlatFormat
from exporter.postprocessing.nms.efficientnms import EfficientNms
from exporter.postprocessing.nms.onnx import OnnxNms
from exporter.postprocessing.reference import detections, sigmoid
from exporter.runtime.onnx_runtime import session
from tests.postprocessing.efficientnms_reference import PluginOutputs, efficient_nms
from tests.postprocessing.test_graph import core

YAML = Path(__file__).parents[2] / "conf" / "postprocessing" / "nms" / "efficientnms.yaml"
THRESHOLDS = {"confidence_threshold": 0.25, "nms_threshold": 0.5}

seeds = st.integers(0, 2**32 - 1)


def scene(seed: int, n: int | None = None, num_classes: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Boxes [2, N, 4] corners, of which many meet, touch or have no area, and scores [2, N, C] of which many are the
    same, or just the threshold."""
    rng = np.random.default_rng(seed)
    n, num_classes = n or int(rng.integers(1, 9)), num_classes or int(rng.integers(1, 4))
    boxes = rng.integers(0, 13, (2, n, 4)).astype(np.float32)
    return boxes, rng.choice(np.array([0, 0.125, 0.25, 0.375, 0.5, 0.75, 1], np.float32), (2, n, num_classes))


def iou(a, b) -> float:
    width = min(max(a[0], a[2]), max(b[0], b[2])) - max(min(a[0], a[2]), min(b[0], b[2]))
    height = min(max(a[1], a[3]), max(b[1], b[3])) - max(min(a[1], a[3]), min(b[1], b[3]))
    if width <= 0 or height <= 0:
        return 0.0
    areas = [abs((box[2] - box[0]) * (box[3] - box[1])) for box in (a, b)]
    return float(np.float32(width * height) / np.float32(sum(areas) - width * height))


def brute_force(boxes, scores, attributes: Attributes) -> list[tuple[int, int]]:
    """Box and class of what one image keeps. Asks of every pair whether a better kept one overlaps it, by recursion."""
    pairs = [
        (-scores[box, c], box, c)
        for box in range(len(boxes))
        for c in range(scores.shape[1])
        if scores[box, c] >= np.float32(attributes.score_threshold) and c != attributes.background_class
    ]
    pairs.sort()

    def kept(i: int) -> bool:
        _, box, c = pairs[i]
        return not any(
            (attributes.class_agnostic or pairs[j][2] == c)
            and iou(boxes[pairs[j][1]], boxes[box]) >= np.float32(attributes.iou_threshold)
            and kept(j)
            for j in range(i)
        )

    return [(box, c) for i, (_, box, c) in enumerate(pairs) if kept(i)][: attributes.max_output_boxes]


@settings(deadline=None, max_examples=60)
@given(
    seeds,
    st.sampled_from([0.0, 0.25, 0.3]),
    st.sampled_from([0.2, 0.5, 1.0]),
    st.booleans(),
    st.integers(-1, 1),
    st.integers(1, 6),
)
def test_the_reference_is_what_brute_force_gives(seed, score, overlap, agnostic, background, limit):
    boxes, scores = scene(seed)
    attributes = Attributes(score, overlap, limit, background_class=background, class_agnostic=agnostic)
    out = efficient_nms(boxes, scores, attributes)
    for image in range(2):
        want = brute_force(boxes[image].tolist(), scores[image], attributes)
        assert out.num_detections[image, 0] == len(want)
        for row, (box, c) in enumerate(want):
            np.testing.assert_array_equal(out.boxes[image, row], boxes[image, box])
            assert (out.scores[image, row], out.classes[image, row]) == (scores[image, box, c], c)


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_box_coding_and_score_activation_say_the_same_in_other_words(seed):
    boxes, scores = scene(seed)
    boxes = np.sort(boxes.reshape(2, -1, 2, 2), axis=2).reshape(boxes.shape)  # a centre and a size have no direction
    want = efficient_nms(boxes, scores, Attributes(0.25, 0.5, 5))
    centres = np.concatenate([(boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]], axis=-1)
    for got, expected in zip(efficient_nms(centres, scores, Attributes(0.25, 0.5, 5, box_coding=1)), want, strict=True):
        np.testing.assert_array_equal(got, expected)
    scores = scores * np.float32(0.9) + np.float32(0.04)  # no logit is infinite, none at the threshold
    logits = np.log(scores / (1 - scores))
    got = efficient_nms(boxes, logits, Attributes(0.25, 0.5, 5, score_activation=True))
    for mine, expected in zip(got, efficient_nms(boxes, scores, Attributes(0.25, 0.5, 5)), strict=True):
        np.testing.assert_allclose(mine, expected, atol=1e-6)


SESSIONS: dict[str, tuple] = {}


def run(node, n: int | None, num_classes: int, boxes, scores, flat=False) -> dict[str, np.ndarray]:
    """The graph that `node` makes, in ONNX Runtime, as an artifact is run there."""
    key = repr((node, n, num_classes, flat))
    if key not in SESSIONS:
        model = (FlatFormat() if flat else BatchFormat()).attach(node.attach(core(False, None, n, num_classes)))
        onnx.checker.check_model(model, full_check=True)
        SESSIONS[key] = (session(model.SerializeToString()), [output.name for output in model.graph.output])
    engine, names = SESSIONS[key]
    return dict(zip(names, engine.run(None, {"in_boxes": boxes, "in_scores": scores}), strict=True))


def same(got: dict[str, np.ndarray], want: PluginOutputs) -> None:
    outputs = [got[name] for name in ("num_predictions", "pred_boxes", "pred_scores", "pred_classes")]
    assert [(x.shape, x.dtype) for x in outputs] == [(x.shape, x.dtype) for x in want]
    np.testing.assert_array_equal(outputs[0], want.num_detections)
    for image, (count,) in enumerate(want.num_detections):
        for mine, expected in zip(outputs[1:], want[1:], strict=True):
            np.testing.assert_array_equal(mine[image, :count], expected[image, :count])


@settings(deadline=None, max_examples=40)
@given(seeds, st.sampled_from([(None, False, 0.5, 2), (6, True, 0.5, 30), (None, True, 1.0, 30), (6, False, 1.0, 2)]))
def test_the_emulation_gives_what_the_reference_gives(seed, case):
    n, agnostic, overlap, limit = case
    boxes, scores = scene(seed, n, num_classes=2)
    node = EfficientNms(
        confidence_threshold=0.25, nms_threshold=overlap, class_agnostic=agnostic, max_predictions_per_image=limit
    )
    want = efficient_nms(boxes, scores, Attributes(0.25, overlap, limit, class_agnostic=agnostic))
    same(run(node, n, 2, boxes, scores), want)


def crowd(seed: int, n: int, num_classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Boxes [1, N, 4] and scores [1, N, C] among which many meet, no two scores the same."""
    rng = np.random.default_rng(seed)
    corner, size = rng.random((1, n, 2)) * 90, 10 + rng.random((1, n, 2)) * 30
    scores = rng.permutation(np.linspace(0.01, 0.99, n * num_classes)).reshape(1, n, num_classes)
    return np.concatenate([corner, corner + size], axis=2).astype(np.float32), scores.astype(np.float32)


@pytest.mark.parametrize("agnostic", [False, True])
@pytest.mark.parametrize("threshold", [0.25, 0.0])
def test_logits_in_the_plugin_give_what_scores_give(agnostic, threshold):
    settings = {"confidence_threshold": threshold, "nms_threshold": 0.5, "class_agnostic": agnostic}
    rng = np.random.default_rng(0)
    feed = {"in_box_logits": rng.normal(0, 1, (2, 68, 40)), "in_class_logits": rng.normal(-1, 2, (2, 3, 40))}
    feed = {name: array.astype(np.float32) for name, array in feed.items()}
    found = []
    for inside in (False, True):
        node = EfficientNms(**settings, score_activation=inside)
        model = BatchFormat().attach(node.attach(core(True, 2, 40, 3)))
        assert ("Sigmoid" in {x.op_type for x in model.graph.node}) is not inside
        names = [output.name for output in model.graph.output]
        found.append(rows(dict(zip(names, session(model.SerializeToString()).run(None, feed), strict=True)), 2))
    for scores, logits in zip(*found, strict=True):
        assert len(scores.scores) > 3
        for name in ("boxes", "scores", "classes"):
            np.testing.assert_allclose(getattr(logits, name), getattr(scores, name), rtol=0, atol=1e-6)
    with pytest.raises(RequestError, match=r"score_activation=true: this network gives scores and no logits"):
        EfficientNms(**settings, score_activation=True).attach(core(False, None, 4, 2))


@pytest.mark.parametrize("agnostic", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_the_plugin_and_onnx_nms_find_the_same_where_their_contracts_agree(seed, agnostic):
    boxes, scores = crowd(seed, 200)
    plugin = run(EfficientNms(**THRESHOLDS, class_agnostic=agnostic), 200, 3, boxes, scores)
    plain = run(OnnxNms(**THRESHOLDS, class_agnostic=agnostic), 200, 3, boxes, scores)
    (found,), (wanted,) = rows(plugin, 1), rows(plain, 1)
    assert len(wanted.scores) > 10
    for name in ("boxes", "scores", "classes"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))
    flat = run(EfficientNms(**THRESHOLDS, class_agnostic=agnostic), 200, 3, boxes, scores, flat=True)
    np.testing.assert_array_equal(rows(flat, 1)[0].boxes, wanted.boxes)


def both(boxes, scores, nms=None, **parameters) -> tuple[list[float], list[float]]:
    """The scores that the plugin finds in one image, and those that ONNX's NMS finds."""
    n = len(boxes)
    boxes, scores = np.array([boxes], np.float32), np.array([scores], np.float32)
    plugin = run(EfficientNms(**(THRESHOLDS | parameters)), n, scores.shape[2], boxes, scores)
    plain = run(nms or OnnxNms(**(THRESHOLDS | parameters)), n, scores.shape[2], boxes, scores)
    return tuple(rows(out, 1)[0].scores.tolist() for out in (plugin, plain))


def test_a_threshold_itself_is_enough_for_the_plugin():
    assert both([[0, 0, 9, 9]], [[0.25]]) == ([0.25], [])  # a score of just the threshold is a candidate
    half = [[0, 0, 10, 10], [0, 0, 10, 5]]
    assert both(half, [[0.75], [0.5]]) == ([0.75], [0.75, 0.5])  # and an IoU of just the threshold suppresses
    assert both([[0, 0, 9, 9]] * 2, [[0.75], [0.5]], nms_threshold=1.0) == ([0.75], [0.75, 0.5])


def test_the_plugin_looks_at_4096_candidates_and_onnx_nms_at_all():
    """4096 copies of one box, and a box alone that scores less than any of them."""
    boxes = np.tile([0, 0, 10, 10], (4097, 1))
    boxes[-1] += 50
    scores = np.full((4097, 1), 0.75)
    scores[-1] = 0.5
    everything = {"num_pre_nms_predictions": 5000}
    assert both(boxes, scores, OnnxNms(**THRESHOLDS, **everything)) == ([0.75], [0.75, 0.5])
    limited = OnnxNms(**THRESHOLDS, **everything, max_candidates_per_image=4096)
    assert both(boxes, scores, limited) == ([0.75], [0.75])
    assert both(boxes[1:], scores[1:])[0] == [0.75, 0.5]


def test_of_equal_scores_the_plugin_may_keep_either_box():
    """The contract keeps the lower one. Which of them it was, no proof may hold against an engine."""
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10]], np.float32)
    scores, node = np.full((2, 1), 0.75, np.float32), EfficientNms(**THRESHOLDS)
    for box in boxes:
        kept = np.array([[*box, 0.75, 0]], np.float32)
        assert unexplained(kept, boxes, scores, node.parameters) == 0
    np.testing.assert_array_equal(detections(boxes, scores, node.parameters)[:, :4], boxes[:1])


def test_the_node_says_what_the_plugins_documents_ask_for():
    node = EfficientNms(confidence_threshold=0.3, nms_threshold=0.6, max_predictions_per_image=7, class_agnostic=True)
    (plugin,) = (x for x in node.attach(core(True, None, None, 5)).graph.node if x.domain)
    assert (plugin.domain, plugin.op_type) == ("trt.plugins", "EfficientNMS_TRT")
    given = {a.name: onnx.helper.get_attribute_value(a) for a in plugin.attribute}
    assert given.pop("score_threshold") == pytest.approx(0.3) and given.pop("iou_threshold") == pytest.approx(0.6)
    assert given == {
        "plugin_version": b"1", "max_output_boxes": 7, "background_class": -1, "score_activation": 0,
        "class_agnostic": 1, "box_coding": 0,
    }  # fmt: skip
    with pytest.raises(ValueError, match=r"call resolved\(\)"):
        EfficientNms().attach(core(True, None, None, 5))


def test_what_the_plugin_does_not_take_is_refused():
    for bad in ({"nms_threshold": 0}, {"max_predictions_per_image": 4097}, {"confidence_threshold": -0.1}):
        with pytest.raises(ValidationError):
            EfficientNms(**bad)
    with pytest.raises(ValidationError, match="multi_label"):
        EfficientNms(multi_label=False)
    model = BatchFormat().attach(EfficientNms(**THRESHOLDS).attach(core(False, None, 4, 2)))
    plugin = next(node for node in model.graph.node if node.domain)
    next(a for a in plugin.attribute if a.name == "box_coding").i = 1
    with pytest.raises(BuildError, match="only boxes given by corners"):
        emulated(model)


def test_the_yaml_holds_every_field_with_its_default():
    written = yaml.safe_load(YAML.read_text(encoding="utf-8"))
    assert written.pop("_target_") == "exporter.postprocessing.nms.EfficientNms"
    assert written == EfficientNms().model_dump(include=set(EfficientNms.model_fields))


def test_the_sigmoid_of_the_plugin_is_the_contracts():
    logits = np.array([[[-3.0], [0.5], [4.0]]], np.float32)
    boxes = np.arange(12, dtype=np.float32).reshape(1, 3, 4) * 20
    out = efficient_nms(boxes, logits, Attributes(0.0, 0.5, 3, score_activation=True))
    np.testing.assert_array_equal(out.scores[0], sigmoid(logits[0, ::-1, 0]))


def test_the_batch_format_hands_on_the_plugins_own_outputs():
    model = BatchFormat().attach(EfficientNms(**THRESHOLDS).attach(core(False, 2, 9, 3)))
    (plugin,) = (node for node in model.graph.node if node.op_type == "EfficientNMS_TRT")
    assert list(plugin.output) == [output.name for output in model.graph.output]
    assert list(plugin.output) == ["num_predictions", "pred_boxes", "pred_scores", "pred_classes"]
    kinds = [output.type.tensor_type.elem_type for output in model.graph.output]
    assert kinds == [onnx.TensorProto.INT32, onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT, onnx.TensorProto.INT32]
