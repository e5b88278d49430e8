"""NMS and both formats in ONNX Runtime against the contract's sentences in plain numpy, on boxes and scores of every
kind: ties, NaN, infinities, no area, corners the wrong way round, huge, tiny, exactly at a threshold."""

from collections.abc import Iterator
from itertools import product

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from onnxruntime import InferenceSession

from exporter.postprocessing.nms.cluster import ClusterNms
from exporter.postprocessing.nms.none import NoNms
from exporter.postprocessing.nms.onnx import OnnxNms
from exporter.postprocessing.reference import detections
from tests.fuzz.campaign import fuzz
from tests.postprocessing.test_graph import SESSIONS, Feed, anchors, rows, run, session

F = np.float32
NAN, INF = float("nan"), float("inf")
THRESHOLDS = st.sampled_from([0.0, 1.0, 0.25, 0.5, 0.7, 1 / 3]) | st.floats(0, 1, width=32)
SCORES = [
    0,
    -0.0,
    0.25,
    0.5,
    0.7,
    1 / 3,
    1,
    1e-30,
    1e-42,
    float(np.nextafter(F(0.5), F(1))),
    0.9999999,
    NAN,
    INF,
    -INF,
    -1,
    7,
]
CORNERS = [0, 1, 2, 3, 4, 8, -5, 0.5, 1e-20, 1e-38, 1e-45, 640, 1e9, -1e9, 1e17, 3e18, 1e38, NAN, INF, -INF]
DISTANCES = [0, 1, 1, 2, 3, 16]
LOGITS = [-30, -1, 0, 0.5, 3, 30, 40, 0, 3, NAN, INF, -INF]


@st.composite
def parameters(draw: st.DrawFn) -> OnnxNms:
    most = draw(st.sampled_from([1, 2, 3, 7, 300]))
    return OnnxNms(
        confidence_threshold=draw(THRESHOLDS), nms_threshold=draw(THRESHOLDS), max_predictions_per_image=most,
        num_pre_nms_predictions=most + draw(st.sampled_from([0, 1, 4, 1000])),
        max_candidates_per_image=draw(st.none() | st.sampled_from([0, 1, 5, 500]).map(lambda more: most + more)),
        class_agnostic=draw(st.booleans()), multi_label=draw(st.booleans()),
    )  # fmt: skip


def clustered(nms: OnnxNms) -> ClusterNms:
    """The same parameters; where candidates are not limited, by more than there are here."""
    given = nms.model_dump()
    return ClusterNms.model_validate(given | {"max_candidates_per_image": given["max_candidates_per_image"] or 512})


@st.composite
def decoded(draw: st.DrawFn, num_classes: int) -> Feed:
    """Boxes [B, N, 4] and scores [B, N, C]; of every kind, or mostly of an ordinary one."""
    batch, n = draw(st.integers(1, 3)), draw(st.integers(1, 10))
    few_kinds = draw(st.booleans())
    corner = st.sampled_from(CORNERS[:6] if few_kinds else CORNERS) | st.floats(-100, 100, width=32)
    score = st.sampled_from(SCORES[2:7] if few_kinds else SCORES) | st.floats(0, 1, width=32)
    boxes = draw(arrays(F, (batch, n, 4), elements=corner, fill=st.sampled_from([0, 4])))
    scores = draw(arrays(F, (batch, n, num_classes), elements=score, fill=st.just(0.5)))
    return {"boxes": boxes, "scores": scores}


@st.composite
def raw(draw: st.DrawFn, num_classes: int) -> Feed:
    """Distances of whole strides, which both halves of the graph compute to the last bit, with NaN among them."""
    batch, n = draw(st.integers(1, 3)), draw(st.integers(1, 10))
    distance = draw(arrays(np.int64, (batch, 4, 1, n), elements=st.sampled_from(DISTANCES)))
    box_logits = np.where(np.arange(17)[:, None] == distance, 0, -1000).astype(F).reshape(batch, 68, n)
    spoilt = st.tuples(st.integers(0, 67), st.integers(0, n - 1), st.sampled_from([NAN, INF]))
    for channel, box, value in draw(st.lists(spoilt, max_size=2)):
        box_logits[0, channel, box] = value
    logits = st.sampled_from(LOGITS[:9] if draw(st.booleans()) else LOGITS)
    class_logits = draw(arrays(F, (batch, num_classes, n), elements=logits, fill=st.just(0.5)))
    return {"box_logits": box_logits, "class_logits": class_logits, "anchors": anchors(n)}


def literal(boxes: np.ndarray, scores: np.ndarray, nms: OnnxNms, best: list[float]) -> np.ndarray:
    """The contract's rows [n, 6] for one image, each pair held against every kept one. best: [N], what each box counts
    for where the cut before NMS ranks them."""
    ranking = sorted(range(len(boxes)), key=lambda i: (-best[i], i))[: nms.num_pre_nms_predictions]
    real = [i for i in ranking if np.isfinite(boxes[i]).all() and np.abs(boxes[i].astype(float)).sum() < 1e18]
    pairs = [(-scores[i, c], i, c) for i in real for c in range(scores.shape[1])]
    pairs = [pair for pair in pairs if np.isfinite(pair[0]) and -pair[0] > F(nms.confidence_threshold)]
    if not nms.multi_label:
        pairs = [
            pair
            for pair in pairs
            if pair == min((other for other in pairs if other[1] == pair[1]), key=lambda p: (p[0], p[2]))
        ]
    kept = []
    for score, i, c in sorted(pairs)[: nms.max_candidates_per_image]:
        rivals = [j for _, j, k in kept if nms.class_agnostic or k == c]
        if not any(overlap(boxes[j], boxes[i]) > F(nms.nms_threshold) for j in rivals):
            kept.append((score, i, c))
    return np.array([[*boxes[i], -score, c] for score, i, c in kept[: nms.max_predictions_per_image]], F).reshape(-1, 6)


def overlap(a: np.ndarray, b: np.ndarray) -> np.float32:
    """IoU in float32 of two boxes, each the rectangle between two opposite corners."""
    (ax, aX), (ay, aY), (bx, bX), (by, bY) = (sorted(side) for side in (a[::2], a[1::2], b[::2], b[1::2]))
    width, height = min(aX, bX) - max(ax, bx), min(aY, bY) - max(ay, by)
    if width <= 0 or height <= 0 or width * height == 0:
        return F(0)
    return width * height / ((aX - ax) * (aY - ay) + (bX - bx) * (bY - by) - width * height)


def possible(boxes: np.ndarray, scores: np.ndarray, nms: OnnxNms) -> Iterator[np.ndarray]:
    """What the contract allows: a box that has scores which are no numbers may count for the best of the others in the
    cut before NMS, or for nothing."""
    usable = np.where(np.isfinite(scores), scores, 0)
    spoilt = np.flatnonzero(~np.isfinite(scores).all(axis=1)) if nms.num_pre_nms_predictions < len(boxes) else []
    for choice in product((None, 0.0), repeat=len(spoilt)):
        best = [float(x) for x in usable.max(axis=1)]
        for i, value in zip(spoilt, choice, strict=True):
            best[i] = best[i] if value is None else value
        yield literal(boxes, scores, nms, best)


@fuzz(
    few=15,
    many=800,
    nms=parameters() | parameters().map(clustered),
    is_raw=st.booleans(),
    num_classes=st.integers(1, 4),
    data=st.data(),
)
def test_nms_is_the_contract_whatever_the_network_says(
    nms: OnnxNms, is_raw: bool, num_classes: int, data: st.DataObject
):
    """One artifact on several batches, of any number of boxes or all of one."""
    feeds = data.draw(st.lists((raw if is_raw else decoded)(num_classes), min_size=1, max_size=4))
    sizes = {len(feed["anchors"]) if is_raw else feed["boxes"].shape[1] for feed in feeds}
    n = sizes.pop() if len(sizes) == 1 and data.draw(st.booleans()) else None
    SESSIONS.clear()
    for feed in feeds:
        holds(nms, session(is_raw, n, num_classes, nms), session(is_raw, n, num_classes, nms, flat=True), feed,
              run(session(is_raw, n, num_classes, NoNms()), feed))  # fmt: skip


@np.errstate(all="ignore")
def holds(nms: OnnxNms, batch: InferenceSession, flat: InferenceSession, feed: Feed, network: Feed) -> None:
    """Both artifacts on one batch, of which the network says `network`."""
    out, table = run(batch, feed), run(flat, feed)["flat_predictions"]
    for image, (boxes, scores) in enumerate(zip(network["pred_boxes"], network["pred_scores"], strict=True)):
        got = rows(out, image)
        assert np.isfinite(got).all()
        np.testing.assert_array_equal(table[table[:, 0] == image, 1:], got)
        allowed = list(possible(boxes, scores, nms))
        assert any(np.array_equal(got, want) for want in allowed), (got, allowed[0])
        assert any(np.array_equal(detections(boxes, scores, nms), want) for want in allowed)
    assert len(table) == out["num_predictions"].sum() and (np.diff(table[:, 0]) >= 0).all()
