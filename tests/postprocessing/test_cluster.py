"""Suppression in plain tensor arithmetic against the contract, and against ONNX's own operator: no row differs."""

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.common.capabilities import Capabilities
from exporter.common.errors import RequestError
from exporter.config.check import check as recipe_check
from exporter.config.compose import compose
from exporter.postprocessing.detections import rows as read_rows
from exporter.postprocessing.format.batch import BatchFormat
from exporter.postprocessing.format.flat import FlatFormat
from exporter.postprocessing.nms.auto import AutoNms
from exporter.postprocessing.nms.cluster import ClusterNms
from exporter.postprocessing.nms.none import NoNms
from tests.fuzz.test_postprocessing import clustered, decoded, holds, parameters, raw
from tests.postprocessing.test_graph import SESSIONS, check, core, crowd, rows, run, session


@given(parameters().map(clustered), st.booleans(), st.integers(1, 4), st.data())
@settings(max_examples=15, deadline=None)  # of more there is a campaign in tests/fuzz
def test_it_is_the_contract_whatever_the_network_says(
    nms: ClusterNms, is_raw: bool, num_classes: int, data: st.DataObject
):
    """Ties, NaN, infinities, no area, corners the wrong way round; held against the contract in plain numpy, twice."""
    feed = data.draw((raw if is_raw else decoded)(num_classes))
    n = data.draw(st.sampled_from([None, len(feed["anchors"]) if is_raw else feed["boxes"].shape[1]]))
    SESSIONS.clear()
    holds(nms, session(is_raw, n, num_classes, nms), session(is_raw, n, num_classes, nms, flat=True), feed,
          run(session(is_raw, n, num_classes, NoNms()), feed))  # fmt: skip


@pytest.mark.parametrize("agnostic", [False, True])
@pytest.mark.parametrize("multi", [True, False])
@pytest.mark.parametrize("num_classes", [1, 80])
def test_a_crowd_in_a_batch_of_different_images(num_classes: int, agnostic: bool, multi: bool):
    """More candidates than enter suppression, on a grid of scores so coarse that the bound cuts through a tie."""
    nms = ClusterNms(confidence_threshold=0.3, nms_threshold=0.6, num_pre_nms_predictions=300,
                     max_candidates_per_image=256, max_predictions_per_image=200, class_agnostic=agnostic,
                     multi_label=multi)  # fmt: skip
    feed = crowd(3, batch=3, n=600, num_classes=num_classes)
    feed["class_logits"][1] = -9  # an image without a detection
    feed["anchors"] = feed["anchors"].astype(np.float32)
    check(True, None, nms, feed)
    counts = run(session(True, None, num_classes, nms), feed)["num_predictions"][:, 0]
    assert counts[1] == 0 and counts[0] > 20 and counts[2] > 20


def chain(length: int) -> dict[str, np.ndarray]:
    """Each box drops the next, if it is kept: IoU 7/13 with that, 4/16 with the one behind it."""
    x = np.arange(length, dtype=np.float32) * 3
    boxes = np.stack([x, np.zeros_like(x), x + 10, np.ones_like(x)], axis=1)
    scores = np.linspace(0.9, 0.5, length, dtype=np.float32)
    return {"boxes": boxes[None], "scores": scores[None, :, None]}


@pytest.mark.parametrize("length", [2, 3, 24, 25, 200, 1024])
def test_a_chain_of_suppression_as_long_as_the_candidates(length: int):
    """Every other one stays, however long it takes to settle: no number of rounds is built in."""
    feed = chain(length)
    nms = ClusterNms(confidence_threshold=0.25, nms_threshold=0.5, num_pre_nms_predictions=1024,
                     max_candidates_per_image=max(length, 24), max_predictions_per_image=max(length, 24))  # fmt: skip
    got = rows(run(session(False, None, 1, nms), feed), 0)
    np.testing.assert_array_equal(got[:, :4], feed["boxes"][0, ::2])


def test_images_that_settle_at_different_times_do_not_touch_each_other():
    long, short = chain(60), chain(60)
    short["scores"][0, 3:] = 0
    feed = {name: np.concatenate([long[name], short[name]]) for name in long}
    nms = ClusterNms(confidence_threshold=0.25, nms_threshold=0.5, max_candidates_per_image=300)
    check(False, None, nms, feed)


@pytest.mark.parametrize("opset", [17, 18, 19, 20])
@pytest.mark.parametrize("batch", [1, 3, None])
def test_shapes_are_known_before_the_images_are(opset: int, batch: int | None):
    """No operator whose result is as long as the data makes it, and none that CUDA or TensorRT for RTX do not have;
    outputs of the contract's shapes and types."""
    attached = ClusterNms(confidence_threshold=0.25, nms_threshold=0.7).attach(core(True, batch, 2100, 5, opset))
    model = BatchFormat().attach(attached)
    onnx.checker.check_model(model, full_check=True)
    kinds = {node.op_type for node in model.graph.node}
    assert not kinds & {"NonZero", "NonMaxSuppression", "Compress", "Unique", "If"}
    shapes = {o.name: [d.dim_param or d.dim_value for d in o.type.tensor_type.shape.dim] for o in model.graph.output}
    size = batch or "batch"
    assert shapes == {"num_predictions": [size, 1], "pred_boxes": [size, 300, 4], "pred_scores": [size, 300],
                      "pred_classes": [size, 300]}  # fmt: skip
    assert FlatFormat().attach(attached).graph.output[0].type.tensor_type.shape.dim[1].dim_value == 7


def test_auto_stands_for_it_with_what_was_set():
    own = Capabilities(own_nms="ClusterNms", own_nms_any_shape=True)
    found = AutoNms(nms_threshold=0.4, class_agnostic=True).resolved(0.25, 0.7, own, "ClusterNms")
    assert found == ClusterNms(confidence_threshold=0.25, nms_threshold=0.4, class_agnostic=True)
    assert AutoNms(max_candidates_per_image=500).resolved(0.25, 0.7, own, "ClusterNms").max_candidates_per_image == 500


def test_candidates_are_always_limited():
    with pytest.raises(ValueError, match="max_candidates_per_image"):
        ClusterNms(max_candidates_per_image=None)
    with pytest.raises(ValueError, match="4096"):
        ClusterNms(max_candidates_per_image=5000)


def test_rounds_written_out_give_the_same_and_say_where_they_are_not_enough():
    nms = ClusterNms(confidence_threshold=0.25, nms_threshold=0.5, max_candidates_per_image=300, rounds=25)
    short, long = chain(24), chain(60)
    check(False, None, nms, short)
    feed = {name: np.concatenate([long[name], long[name]]) for name in long}
    feed["scores"][1, 20:] = 0
    out = run(session(False, None, 1, nms), feed)
    assert out["num_predictions"].tolist() == [[-1], [10]]
    assert (out["pred_boxes"][0] == -1).all()
    with pytest.raises(ValueError, match="num_predictions is -1"):
        read_rows(out, 2)


@pytest.mark.parametrize("rounds", [None, 24])
def test_without_a_loop_there_is_no_control_flow(rounds: int | None):
    nms = ClusterNms(confidence_threshold=0.25, nms_threshold=0.7, rounds=rounds)
    kinds = {node.op_type for node in nms.attach(core(True, 1, 2100, 5)).graph.node}
    assert ("Loop" in kinds) == (rounds is None) == (not nms.capturable) == (not nms.may_give_up)


def test_a_table_has_no_place_to_say_that_rounds_were_not_enough():
    words = [
        "+recipe=yolo_nas_s",
        "postprocessing/nms=cluster",
        "postprocessing.nms.rounds=24",
        "postprocessing/format=flat",
    ]
    with pytest.raises(RequestError, match=r"format=flat: has no place to say .* or leave rounds out"):
        compose_and_check(words)
    compose_and_check(words[:-1])


def compose_and_check(words: list[str]) -> None:
    recipe_check(compose(words))
