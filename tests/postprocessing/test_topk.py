"""`postprocessing/nms=topk`: the best pairs of each image, in the contract's order, and nothing suppressed."""

import numpy as np
import onnx
import onnxruntime
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.common.capabilities import ANY
from exporter.common.paths import CONF
from exporter.postprocessing import reference
from exporter.postprocessing.format.batch import BatchFormat
from exporter.postprocessing.nms.auto import AutoNms
from exporter.postprocessing.nms.none import NoNms
from exporter.postprocessing.nms.onnx import OnnxNms
from exporter.postprocessing.nms.topk import TopkNms
from tests.postprocessing.test_graph import core, decoded_feeds, raw_feeds, rows, run, session

NODES = [
    TopkNms(confidence_threshold=confidence, max_predictions_per_image=limit, multi_label=multi)
    for confidence, limit in ((0.25, 300), (0, 3), (0.5, 7))
    for multi in (True, False)
]


def by_sorting(boxes: np.ndarray, scores: np.ndarray, node: TopkNms) -> list[tuple[float, ...]]:
    """Rows of one image: every pair above the threshold (of a box its best class alone without multi_label), sorted."""
    pairs = [
        (-score, box, c)
        for box, of_box in enumerate(scores.tolist())
        for c, score in enumerate(of_box)
        if score > node.confidence_threshold and (node.multi_label or c == int(np.argmax(of_box)))
    ]
    return [(*boxes[box], -score, c) for score, box, c in sorted(pairs)[: node.max_predictions_per_image]]


@pytest.mark.parametrize("raw", [True, False], ids=["raw", "decoded"])
@pytest.mark.parametrize("node", NODES, ids=lambda x: "-".join(str(value) for value in x.model_dump().values()))
@given(st.data())
@settings(max_examples=10, deadline=None)
def test_the_best_pairs_in_order(raw: bool, node: TopkNms, data: st.DataObject):
    n, classes = data.draw(st.sampled_from([None, 5])), data.draw(st.sampled_from([1, 4]))
    feed = data.draw((raw_feeds if raw else decoded_feeds)(n, classes))
    model = BatchFormat().attach(node.attach(core(raw, None, n, classes)))
    onnx.checker.check_model(model, full_check=True)
    out = run(onnxruntime.InferenceSession(model.SerializeToString()), feed)
    network = run(session(raw, n, classes, NoNms()), feed)
    for image, (boxes, scores) in enumerate(zip(network["pred_boxes"], network["pred_scores"], strict=True)):
        want = np.float32(by_sorting(boxes, scores, node)).reshape(-1, 6)
        np.testing.assert_array_equal(rows(out, image), want)
        np.testing.assert_array_equal(reference.detections(boxes, scores, node.parameters), want)


def test_what_is_no_number_is_no_detection():
    boxes = np.float32([[[0, 0, 5, 5], [np.nan, 0, 5, 5], [0, 0, np.inf, 5], [1, 1, 2, 2], [0, 0, 1.5e18, 5]]])
    scores = np.float32([[[0.5], [0.9], [0.8], [np.nan], [0.7]]])
    node = TopkNms(confidence_threshold=0.1)
    out = run(onnxruntime.InferenceSession(BatchFormat().attach(node.attach(core(False, 1, 5, 1))).SerializeToString()),
              {"boxes": boxes, "scores": scores})  # fmt: skip
    assert rows(out, 0).tolist() == [[0, 0, 5, 5, 0.5, 0]]
    assert reference.detections(boxes[0], scores[0], node.parameters).tolist() == [[0, 0, 5, 5, 0.5, 0]]


def test_auto_is_topk_where_the_network_prefers_it_unless_suppression_is_asked_for():
    assert AutoNms().resolved(0.3, 0.7, ANY, "TopkNms") == TopkNms(confidence_threshold=0.3)
    said = AutoNms(max_predictions_per_image=50, multi_label=False).resolved(0.3, 0.7, ANY, "TopkNms")
    assert said == TopkNms(confidence_threshold=0.3, max_predictions_per_image=50, multi_label=False)
    assert isinstance(AutoNms(nms_threshold=0.5).resolved(0.3, 0.7, ANY, "TopkNms"), OnnxNms)


def test_the_yaml_holds_every_setting_with_its_default():
    config = yaml.safe_load((CONF / "postprocessing/nms/topk.yaml").read_text())
    assert config.pop("_target_") == "exporter.postprocessing.nms.TopkNms"
    assert config == TopkNms().model_dump()


def test_without_its_threshold_it_cannot_be_attached():
    with pytest.raises(ValueError, match="auto"):
        TopkNms().attach(core(False, 1, 5, 3))
