"""The reference against the contract's sentences, taken literally, on cases small enough for that."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from exporter.postprocessing.nms.onnx import OnnxNms
from exporter.postprocessing.reference import decode, detections, mismatches, sigmoid

PARAMETERS = st.builds(
    OnnxNms,
    confidence_threshold=st.sampled_from([0.0, 0.25, 0.5]),
    nms_threshold=st.sampled_from([0.0, 0.5, 0.7, 1.0]),
    num_pre_nms_predictions=st.sampled_from([3, 1000]),
    max_candidates_per_image=st.sampled_from([None, 3, 5]),
    max_predictions_per_image=st.sampled_from([1, 2, 3]),
    class_agnostic=st.booleans(),
    multi_label=st.booleans(),
)


def iou(a: np.ndarray, b: np.ndarray) -> np.float32:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return np.float32(0)
    return width * height / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height)


def literal(boxes: np.ndarray, scores: np.ndarray, parameters: OnnxNms) -> list[list[float]]:
    """The contract, sentence by sentence: a pair is judged against all kept pairs before it, nothing is remembered."""
    n, num_classes = scores.shape

    def rank(box: int) -> int:  # boxes that come before this one
        return sum((-max(scores[i]), i) < (-max(scores[box]), box) for i in range(n))

    def is_candidate(box: int, c: int) -> bool:
        best_class = min(range(num_classes), key=lambda k: (-scores[box, k], k))
        return bool(
            scores[box, c] > np.float32(parameters.confidence_threshold)
            and rank(box) < parameters.num_pre_nms_predictions
            and (parameters.multi_label or c == best_class)
        )

    pairs = [(box, c) for box in range(n) for c in range(num_classes) if is_candidate(box, c)]
    ordered = sorted(pairs, key=lambda pair: (-scores[pair], pair[0], pair[1]))
    kept: list[tuple[int, int]] = []
    for box, c in ordered[: parameters.max_candidates_per_image]:
        rivals = [other for other, k in kept if parameters.class_agnostic or k == c]
        if not any(iou(boxes[other], boxes[box]) > np.float32(parameters.nms_threshold) for other in rivals):
            kept.append((box, c))
    return [[*boxes[box], scores[box, c], c] for box, c in kept[: parameters.max_predictions_per_image]]


@given(st.data(), PARAMETERS, st.integers(1, 5), st.integers(1, 3))
@settings(max_examples=300, deadline=None)
def test_says_what_the_contract_says(data: st.DataObject, parameters: OnnxNms, n: int, num_classes: int):
    corner = data.draw(arrays(np.float32, (n, 2), elements=st.sampled_from([0, 2, 4])))
    size = data.draw(arrays(np.float32, (n, 2), elements=st.sampled_from([0, 4, 8])))
    boxes = np.concatenate([corner, corner + size], axis=1)
    scores = data.draw(arrays(np.float32, (n, num_classes), elements=st.sampled_from([0, 0.25, 0.5, 0.75, 1])))
    want = np.array(literal(boxes, scores, parameters), dtype=np.float32).reshape(-1, 6)
    np.testing.assert_array_equal(detections(boxes, scores, parameters), want)


def test_what_is_no_number_is_no_detection_and_spoils_no_other():
    boxes = np.array([[0, 0, 9, 9]] * 6, dtype=np.float32) + 20 * np.arange(6, dtype=np.float32)[:, None]
    scores = np.linspace(0.9, 0.4, 6, dtype=np.float32)[:, None]
    scores[0], scores[1] = np.nan, np.inf
    boxes[2, 1], boxes[3, 2], boxes[4, 0] = np.nan, np.inf, -2e18
    parameters = OnnxNms(
        confidence_threshold=0.25, nms_threshold=0.5, num_pre_nms_predictions=3, max_predictions_per_image=3
    )
    assert detections(boxes, scores, parameters).size == 0  # what is no score is the last to be looked at
    got = detections(boxes, scores, parameters.model_copy(update={"num_pre_nms_predictions": 6}))
    np.testing.assert_array_equal(got, [[*boxes[5], scores[5, 0], 0]])


@given(st.data(), st.integers(1, 6), st.integers(1, 3), st.booleans(), st.booleans())
@settings(max_examples=100, deadline=None)
def test_a_bound_on_candidates_costs_the_worst_detections_and_only_where_more_pass(
    data: st.DataObject, n: int, num_classes: int, agnostic: bool, multi: bool
):
    """NMS goes from the best pair down, so what comes behind the bound changes nothing before it."""
    corner = data.draw(arrays(np.float32, (n, 2), elements=st.sampled_from([0, 2, 4])))
    boxes = np.concatenate([corner, corner + 4], axis=1)
    scores = data.draw(arrays(np.float32, (n, num_classes), elements=st.sampled_from([0, 0.25, 0.5, 0.75, 1])))
    free = OnnxNms(confidence_threshold=0.3, nms_threshold=0.5, class_agnostic=agnostic, multi_label=multi)
    bound = data.draw(st.integers(1, 18))
    rows = detections(boxes, scores, free)
    left = detections(boxes, scores, free.model_copy(update={"max_candidates_per_image": bound}))
    np.testing.assert_array_equal(left, rows[: len(left)])
    passing = (scores > 0.3).sum() if multi else (scores > 0.3).any(axis=1).sum()
    assert len(left) == len(rows) if passing <= bound else len(left) <= bound


def test_sigmoid_neither_overflows_nor_leaves_float32():
    got = sigmoid(np.array([-1000, -2, 0, 2, 1000], dtype=np.float32))
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, [0, 0.11920292, 0.5, 0.880797, 1], rtol=1e-6)


def test_decode_goes_from_the_centre_outwards_in_strides():
    logits = np.full((1, 4, 17, 1), -1000, dtype=np.float32)
    for side, distance in enumerate([1, 2, 3, 4]):  # left, top, right, bottom
        logits[0, side, distance] = 1000
    boxes = decode(logits.reshape(1, 68, 1), np.array([[100, 50, 8]], dtype=np.float32))
    assert boxes.tolist() == [[[92, 34, 124, 82]]]
    spread = decode(np.zeros((1, 68, 1), np.float32), np.array([[100, 50, 8]], dtype=np.float32))
    np.testing.assert_allclose(spread[0, 0], [36, -14, 164, 114], atol=1e-4)  # the mean of 0 … 16 is 8


def test_mismatches_counts_rows_that_only_one_side_has():
    want = np.array([[0, 0, 10, 10, 0.9, 1], [0, 0, 10, 10, 0.9, 1], [5, 5, 20, 20, 0.5, 0]], dtype=np.float32)
    assert mismatches(want[::-1], want) == 0
    assert mismatches(want[:1], want) == 2, "each row needs one of its own"
    assert mismatches(want, want[1:]) == 1
    assert mismatches(want[:0], want[:0]) == 0
    for column, change, counts in ((0, 0.01, 0), (0, 0.03, 2), (4, 0.0004, 0), (4, 0.01, 2), (5, 1, 2)):
        got = want.copy()
        got[2, column] += change
        assert mismatches(got, want) == counts, (column, change)
