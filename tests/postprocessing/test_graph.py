"""The graphs, run in ONNX Runtime, against the reference: equal to the last bit."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from onnx import helper

from exporter.postprocessing.format.batch import BatchFormat
from exporter.postprocessing.format.flat import FlatFormat
from exporter.postprocessing.nms.none import NoNms
from exporter.postprocessing.nms.onnx import OnnxNms
from exporter.postprocessing.reference import decode, detections, sigmoid

Feed = dict[str, Any]


def core(raw: bool, batch: int | None, n: int | None, num_classes: int, opset: int = 18) -> onnx.ModelProto:
    """A core graph whose network is nothing: it hands on its inputs. With n set, `anchors` is an initializer."""
    b, dim = batch or "batch", n or "n"
    shapes = {"box_logits": [b, 68, dim], "class_logits": [b, num_classes, dim], "anchors": [dim, 3]}
    if not raw:
        shapes = {"boxes": [b, dim, 4], "scores": [b, dim, num_classes]}
    outputs = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    constants = [onnx.numpy_helper.from_array(anchors(n), "anchors")] if raw and n else []
    passed = [name for name in shapes if name not in {constant.name for constant in constants}]
    inputs = [helper.make_tensor_value_info(f"in_{x}", onnx.TensorProto.FLOAT, shapes[x]) for x in passed]
    nodes = [helper.make_node("Identity", [f"in_{name}"], [name]) for name in passed]
    graph = helper.make_graph(nodes, "core", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def anchors(n: int) -> np.ndarray:
    """[n, 3]: few enough places that boxes meet, and are the same."""
    return np.array([[16 * (i % 3), 8 * (i % 2), (8, 16)[i % 2]] for i in range(n)], dtype=np.float32)


def run(session: onnxruntime.InferenceSession, feed: Feed) -> Feed:
    names = {x.name for x in session.get_inputs()}
    values = session.run(None, {f"in_{name}": x for name, x in feed.items() if f"in_{name}" in names})
    return dict(zip([x.name for x in session.get_outputs()], values, strict=True))


SESSIONS: dict[str, onnxruntime.InferenceSession] = {}
"""They take longer to make than to run."""


def session(raw: bool, n: int | None, num_classes: int, nms: OnnxNms | NoNms, flat: bool = False):
    key = repr((raw, n, num_classes, nms, flat))
    if key in SESSIONS:
        return SESSIONS[key]
    model = nms.attach(core(raw, None, n, num_classes))
    if isinstance(nms, OnnxNms):
        model = (FlatFormat() if flat else BatchFormat()).attach(model)
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    SESSIONS[key] = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return SESSIONS[key]


def rows(out: Feed, image: int) -> np.ndarray:
    """The rows of one image in the batch format, with everything behind them checked to be -1."""
    count = out["num_predictions"][image, 0]
    for name in ("pred_boxes", "pred_scores", "pred_classes"):
        assert (out[name][image, count:] == -1).all()
    boxes, scores, classes = (out[f"pred_{x}"][image, :count] for x in ("boxes", "scores", "classes"))
    return np.concatenate([boxes, scores[:, None], classes[:, None].astype(np.float32)], axis=1)


def check(raw: bool, n: int | None, nms: OnnxNms, feed: Feed) -> None:
    """Both formats against the reference on what the same network says without NMS."""
    num_classes = feed["class_logits"].shape[1] if raw else feed["scores"].shape[2]
    network = run(session(raw, n, num_classes, NoNms()), feed)
    out = run(session(raw, n, num_classes, nms), feed)
    flat = run(session(raw, n, num_classes, nms, flat=True), feed)["flat_predictions"]
    want = [detections(b, s, nms) for b, s in zip(network["pred_boxes"], network["pred_scores"], strict=True)]
    for image, expected in enumerate(want):
        np.testing.assert_array_equal(rows(out, image), expected)
    indexed = [np.insert(expected, 0, image, axis=1) for image, expected in enumerate(want)]
    np.testing.assert_array_equal(flat, np.concatenate(indexed))


@st.composite
def decoded_feeds(draw: st.DrawFn, n: int | None, num_classes: int) -> Feed:
    batch, n = draw(st.integers(1, 3)), n or draw(st.integers(1, 9))
    unit = draw(st.sampled_from([1, 0.1, 1000]))
    corner = draw(arrays(np.float32, (batch, n, 2), elements=st.sampled_from([-2, 0, 1, 3])))
    size = draw(arrays(np.float32, (batch, n, 2), elements=st.sampled_from([0, 2, 4, 4, 7])))
    boxes = np.concatenate([corner, corner + size], axis=2) * np.float32(unit)
    scores = draw(arrays(np.float32, (batch, n, num_classes), elements=st.sampled_from([0, 0.25, 0.3, 0.5, 0.9, 1])))
    return {"boxes": boxes, "scores": scores}


@st.composite
def raw_feeds(draw: st.DrawFn, n: int | None, num_classes: int) -> Feed:
    """Distances are whole strides, which makes the mean of the softmax exact. Among the logits two that saturate."""
    batch, n = draw(st.integers(1, 3)), n or draw(st.integers(1, 9))
    distance = draw(arrays(np.int64, (batch, 4, 1, n), elements=st.sampled_from([0, 1, 1, 2, 16])))
    box_logits = np.where(np.arange(17)[:, None] == distance, 0, -1000).astype(np.float32).reshape(batch, 68, n)
    values = st.sampled_from([-30, -1, 0, 0.5, 3, 30, 40])
    class_logits = draw(arrays(np.float32, (batch, num_classes, n), elements=values))
    return {"box_logits": box_logits, "class_logits": class_logits, "anchors": anchors(n)}


PARAMETERS = [
    OnnxNms(confidence_threshold=confidence, nms_threshold=iou, num_pre_nms_predictions=pre,
            max_candidates_per_image=candidates, max_predictions_per_image=limit, class_agnostic=agnostic,
            multi_label=multi)
    for confidence, iou, pre, candidates, limit in [
        (0.25, 0.7, 1000, None, 300), (0, 0.5, 4, None, 3), (0.5, 0, 6, 7, 6), (0.25, 1, 1000, 5, 4),
        (1, 0.7, 1, None, 1), (0, 0.5, 1000, 3, 3),
    ]
    for agnostic in (False, True) for multi in (True, False)
]  # fmt: skip


SHAPES = [(None, 4), (5, 1), (None, 1), (5, 4)]
"""Boxes and classes. Each kind of suppression meets all of them, with one of the thresholds or another."""


@pytest.mark.parametrize("raw", [True, False], ids=["raw", "decoded"])
@pytest.mark.parametrize("nms", PARAMETERS, ids=lambda x: "-".join(str(value) for value in x.model_dump().values()))
@given(st.data())
@settings(max_examples=15, deadline=None)
def test_exactly_the_contract(raw: bool, nms: OnnxNms, data: st.DataObject):
    thresholds, kind = divmod(PARAMETERS.index(nms), 4)
    n, num_classes = SHAPES[(thresholds + kind + raw) % 4]
    feed = data.draw((raw_feeds if raw else decoded_feeds)(n, num_classes))
    check(raw, n, nms, feed)


def crowd(seed: int, batch: int, n: int, num_classes: int) -> Feed:
    """Random logits on a grid coarse enough for many ties."""
    rng = np.random.default_rng(seed)
    distance = rng.integers(0, 4, (batch, 4, 1, n))
    box_logits = np.where(np.arange(17)[:, None] == distance, 0, -1000).astype(np.float32).reshape(batch, 68, n)
    class_logits = np.round(rng.normal(-2, 2, (batch, num_classes, n)) * 8).astype(np.float32) / 8
    return {"box_logits": box_logits, "class_logits": class_logits, "anchors": anchors(n) + rng.integers(0, 99, (n, 1))}


def test_logits_that_saturate_to_one_score_are_a_tie():
    nms = OnnxNms(confidence_threshold=0.5, nms_threshold=0.5, num_pre_nms_predictions=2, max_predictions_per_image=2)
    box_logits = np.where(np.arange(17)[:, None] == 1, 0, -1000).astype(np.float32)  # one stride to each side
    places = np.array([[100, 100, 8], [200, 100, 8], [300, 100, 8]], dtype=np.float32)
    class_logits = np.array([[[30, 30, 40]]], dtype=np.float32)
    feed = {
        "box_logits": np.tile(box_logits, (1, 4, 3)).reshape(1, 68, 3),
        "class_logits": class_logits,
        "anchors": places,
    }
    assert rows(run(session(True, None, 1, nms), feed), 0)[:, 0].tolist() == [92, 192], "the cut took the higher logit"


@pytest.mark.parametrize("agnostic", [False, True])
@pytest.mark.parametrize("multi", [True, False])
def test_a_crowd_is_cut_as_the_contract_says(agnostic: bool, multi: bool):
    nms = OnnxNms(confidence_threshold=0.3, nms_threshold=0.6, num_pre_nms_predictions=500,
                  max_predictions_per_image=200, class_agnostic=agnostic, multi_label=multi)  # fmt: skip
    feed = crowd(0, batch=2, n=1500, num_classes=8)
    feed["anchors"] = feed["anchors"].astype(np.float32)
    check(True, None, nms, feed)
    scores = run(session(True, None, 8, NoNms()), feed)["pred_scores"]
    assert ((scores.max(2) > 0.3).sum(1) > 500).all(), "the cut cuts nothing"


@pytest.mark.parametrize("agnostic", [False, True])
@pytest.mark.parametrize("multi", [True, False])
def test_only_the_best_candidates_of_a_crowd_enter_suppression(agnostic: bool, multi: bool):
    """Where every score passes, on a grid of scores so coarse that the bound cuts through a tie."""
    bounded = OnnxNms(confidence_threshold=0, nms_threshold=0.6, num_pre_nms_predictions=200,
                      max_candidates_per_image=150, max_predictions_per_image=150, class_agnostic=agnostic,
                      multi_label=multi)  # fmt: skip
    feed = crowd(2, batch=2, n=300, num_classes=8)
    feed["anchors"] = feed["anchors"].astype(np.float32)
    check(True, None, bounded, feed)
    check(True, 300, bounded, feed | {"anchors": anchors(300)})
    free = bounded.model_copy(update={"max_candidates_per_image": None})
    counts = [run(session(True, None, 8, nms), feed)["num_predictions"] for nms in (bounded, free)]
    assert (counts[0] < counts[1]).all(), "the bound changes nothing"


@pytest.mark.parametrize("opset", [17, 19, 20])
@pytest.mark.parametrize("agnostic", [False, True])
def test_other_opsets_say_the_same(opset: int, agnostic: bool):
    """Operators take their axes elsewhere in 17."""
    nms = OnnxNms(confidence_threshold=0.3, nms_threshold=0.6, num_pre_nms_predictions=50,
                  max_predictions_per_image=20, class_agnostic=agnostic)  # fmt: skip
    feed = crowd(3, batch=2, n=90, num_classes=4)
    feed["anchors"] = feed["anchors"].astype(np.float32)
    model = BatchFormat().attach(nms.attach(core(True, None, None, 4, opset)))
    out = run(onnxruntime.InferenceSession(model.SerializeToString()), feed)
    network = run(session(True, None, 4, NoNms()), feed)
    for image, (boxes, scores) in enumerate(zip(network["pred_boxes"], network["pred_scores"], strict=True)):
        want = detections(boxes, scores, nms)
        assert len(want) == 20
        np.testing.assert_array_equal(rows(out, image), want)


def test_decoding_is_the_reference():
    rng = np.random.default_rng(0)
    feed = {"box_logits": rng.normal(0, 4, (2, 68, 50)).astype(np.float32),
            "class_logits": rng.normal(0, 4, (2, 3, 50)).astype(np.float32), "anchors": anchors(50)}  # fmt: skip
    out = run(session(True, 50, 3, NoNms()), feed)
    np.testing.assert_allclose(out["pred_boxes"], decode(feed["box_logits"], feed["anchors"]), atol=1e-3)
    np.testing.assert_allclose(out["pred_scores"], sigmoid(feed["class_logits"]).transpose(0, 2, 1), atol=1e-6)


def test_decoded_networks_pass_through_none_unchanged():
    feed = {"boxes": np.ones((2, 6, 4), np.float32), "scores": np.ones((2, 6, 3), np.float32)}
    out = run(session(False, 6, 3, NoNms()), feed)
    np.testing.assert_array_equal(out["pred_boxes"], feed["boxes"])
    np.testing.assert_array_equal(out["pred_scores"], feed["scores"])


def test_a_batch_is_as_good_as_its_images_one_by_one():
    nms = OnnxNms(confidence_threshold=0.25, nms_threshold=0.7)
    feed = crowd(1, batch=4, n=1200, num_classes=3)
    feed["class_logits"][2] = -9  # an image without a detection
    feed["anchors"] = feed["anchors"].astype(np.float32)
    together = run(session(True, None, 3, nms), feed)
    assert together["num_predictions"][2] == 0 and together["num_predictions"].sum() > 100
    for i in range(4):
        alone = {name: x if name == "anchors" else x[i : i + 1] for name, x in feed.items()}
        for name, value in run(session(True, None, 3, nms), alone).items():
            np.testing.assert_array_equal(value[0], together[name][i])


def test_no_detections_at_all():
    nms = OnnxNms(confidence_threshold=0.25, nms_threshold=0.7)
    feed = {"boxes": np.ones((2, 6, 4), np.float32), "scores": np.zeros((2, 6, 3), np.float32)}
    out = run(session(False, 6, 3, nms), feed)
    assert out["num_predictions"].tolist() == [[0], [0]] and rows(out, 0).shape == (0, 6)
    assert run(session(False, 6, 3, nms, flat=True), feed)["flat_predictions"].shape == (0, 7)
