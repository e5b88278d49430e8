"""`model=onnx` is not taken where it gives something else than boxes x1, y1, x2, y2 in pixels and scores in 0..1."""

from functools import partial

import numpy as np
import onnx
import pytest
import torch
from onnx import helper

from exporter.common.errors import RequestError
from exporter.model import probe
from exporter.model.architectures import ARCHITECTURES
from exporter.model.declared_network import RANGES
from exporter.model.graph_network import GraphNetwork
from exporter.model.probe import follow_cells
from exporter.model.weights import random_state
from tests.model.graphs import detector, ended

node = helper.make_node
SCORES = node("Identity", ["scores_of_it"], ["scores"])
BOXES = node("Identity", ["boxes_of_it"], ["boxes"])
SIZES = [
    node("Sub", ["high", "low"], ["wh"]),
    node("Add", ["high", "low"], ["sum"]),
    node("Mul", ["sum", "half"], ["mid"]),
]
gathered = partial(node, "Gather", ["boxes_of_it", "order"], ["boxes"], axis=2)
scaled = node("Mul", ["boxes_of_it", "inverse"], ["boxes"])
UNIT = np.array([1 / 96, 1 / 64] * 2, np.float32)
HALF = np.float32(0.5)


def by(*order: int) -> np.ndarray:
    return np.array(order, np.int64)


def joined(*parts: str) -> onnx.NodeProto:
    return node("Concat", list(parts), ["boxes"], axis=2)


WRONG = {
    "cxcywh": (lambda: ended([*SIZES, joined("mid", "wh"), SCORES], half=HALF), r"boxes cx, cy, w, h .* in pixels"),
    "xywh": (lambda: ended([*SIZES, joined("low", "wh"), SCORES], half=HALF), r"boxes .*x1, y1, w, h .* in pixels"),
    "x2y2x1y1": (lambda: ended([gathered(), SCORES], order=by(2, 3, 0, 1)), "boxes x2, y2, x1, y1"),
    "x1x2y1y2": (lambda: ended([gathered(), SCORES], order=by(0, 2, 1, 3)), "boxes x1, x2, y1, y2"),
    "yxyx": (lambda: ended([gathered(), SCORES], order=by(1, 0, 3, 2)), "boxes y1, x1, y2, x2"),
    "0..1": (lambda: ended([scaled, SCORES], inverse=UNIT), r"boxes in 0\.\.1"),
    "logits": (lambda: ended([BOXES, node("Identity", ["logits"], ["scores"])]), "logits .*before the sigmoid"),
    "percent": (
        lambda: ended([BOXES, node("Mul", ["scores_of_it", "by"], ["scores"])], by=np.float32(100)), r"beyond 0\.\.1"),
    "softmax": (lambda: ended([BOXES, node("Softmax", ["logits"], ["scores"], axis=2)]), "add up to 1 in every row"),
    "nan": (
        lambda: ended([node("Mul", ["boxes_of_it", "nan"], ["boxes"]), SCORES], nan=np.float32("nan")), "not finite"),
    "as DETR": (
        lambda: ended([*SIZES, node("Concat", ["mid", "wh"], ["cxcywh"], axis=2), node("Mul", ["cxcywh", "inverse"],
        ["boxes"]), node("Identity", ["logits"], ["scores"])], half=HALF, inverse=UNIT),
        r"boxes cx, cy, w, h .* in 0\.\.1 .* and logits"),
    "scores transposed": (
        lambda: ended([BOXES, node("Transpose", ["scores_of_it"], ["scores"], perm=[0, 2, 1])]), r"scores are \[B, C, N"),
    "boxes transposed": (
        lambda: ended([node("Transpose", ["boxes_of_it"], ["boxes"], perm=[0, 2, 1]), SCORES]), r"boxes are \[B, 4, N\]"),
    "joined": (
        lambda: ended([node("Concat", ["boxes_of_it", "scores_of_it"], ["output0"], axis=2)], ["output0"]),
        "one output seems to join boxes and scores"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_is_read_wrong_is_refused(what):
    make, said = WRONG[what]
    with pytest.raises(RequestError, match=said) as raised:
        GraphNetwork(make(), None, "x.onnx")
    assert str(raised.value).startswith("x.onnx: ") and "wanted is one input" in str(raised.value)


def with_nms(outputs: list[str]) -> onnx.ModelProto:
    """Boxes and scores as they are, and those of the boxes that an NMS keeps."""
    nodes = [
        BOXES, SCORES, node("Transpose", ["scores_of_it"], ["by_class"], perm=[0, 2, 1]),
        node("NonMaxSuppression", ["boxes_of_it", "by_class", "most"], ["kept"]),
        node("Gather", ["kept", "column"], ["found"], axis=1), node("Gather", ["boxes_of_it", "found"], ["kept_boxes"], axis=1),
        node("Gather", ["scores_of_it", "found"], ["kept_scores"], axis=1),
    ]  # fmt: skip
    return ended(nodes, outputs, most=np.int64([9]), column=np.int64(2))


def test_nms_inside_is_refused_unless_it_leads_to_other_outputs():
    with pytest.raises(RequestError, match=r"NMS is inside: cut it off \(model.cut: .*or export"):
        GraphNetwork(with_nms(["kept_boxes", "kept_scores"]), ["kept_boxes", "kept_scores"], "x.onnx")
    GraphNetwork(with_nms(["boxes", "scores", "kept_boxes"]), None, "x.onnx")


@pytest.mark.parametrize(
    ("compare", "limit", "said"),
    [
        ("Less", 0.95, r"gives from \d+ to [1-9]\d* boxes"),
        ("Less", 0.7, r"gives from 0 to 0 boxes"),
        ("Greater", 0.7, "no boxes where nothing is to be seen"),
    ],
)
def test_a_number_of_boxes_that_depends_on_the_image_is_refused(compare, limit, said):
    nodes = [
        node("ReduceMax", ["scores_of_it", "axis"], ["best"], keepdims=0), node(compare, ["best", "limit"], ["seen"]),
        node("NonZero", ["seen"], ["places"]), node("Gather", ["places", "one"], ["found"]),
        node("Gather", ["boxes_of_it", "found"], ["boxes"], axis=1),
        node("Gather", ["scores_of_it", "found"], ["scores"], axis=1),
    ]  # fmt: skip
    chosen = ended(nodes, axis=np.int64([2]), limit=np.float32(limit), one=np.int64(1))
    with pytest.raises(RequestError, match=f"{said}, as with an NMS inside: export the network without it"):
        GraphNetwork(chosen, None, "x.onnx")


@pytest.mark.parametrize("columns", [2, 3])
def test_good_outputs_are_taken(columns):
    GraphNetwork(detector(batch=3), None, "x.onnx")
    cut = node("Gather", ["scores_of_it", "order"], ["scores"], axis=2)
    GraphNetwork(ended([BOXES, cut], order=by(*range(columns))), None, "x.onnx")


def good(name: str, seed: int = 0) -> torch.nn.Module:
    network = ARCHITECTURES[name].create(4)
    network.load_state_dict(random_state(network, seed))
    return network.eval()


@pytest.mark.parametrize(
    "name", [*(name if name.endswith("_s") else pytest.param(name, marks=pytest.mark.slow) for name in ARCHITECTURES)]
)
def test_no_network_of_the_zoo_is_misread(name):
    height, width = 96, 160
    images = torch.from_numpy(probe.images(height, width))
    for network in (good(name), ARCHITECTURES[name].create(4).eval()):
        with torch.no_grad():
            given = [[each.numpy() for each in network(images * factor)] for factor in RANGES]
        assert probe.misread(given, height, width) is None
        unit = np.array([width, height] * 2)
        assert "in 0..1" in str(probe.misread([(b / unit, s) for b, s in given], height, width))


def test_boxes_and_scores_the_other_way_round():
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 150, (4, 50, 2))
    boxes = np.concatenate([low, low + rng.uniform(1, 20, (4, 50, 2))], axis=2)
    said = probe.misread([(rng.random((4, 50, 4)), boxes)], 160, 160)
    assert said == "scores where boxes should be, and boxes where scores should be"
    assert probe.misread([(boxes, rng.random((4, 50, 4)))], 160, 160) is None


def test_saturated_sigmoids_are_no_softmax():
    boxes = np.tile(np.float32([10, 10, 90, 90]), (4, 50, 1))
    scores = np.eye(5, dtype=np.float32)[np.random.default_rng(0).integers(0, 5, (4, 50))]
    assert probe.misread([(boxes, scores)], 160, 160) is None


def test_offsets_that_follow_one_side_alone_or_nothing_are_offsets():
    cells = [(4, 6), (2, 3)]
    x, y = (np.concatenate([(np.indices((h, w))[axis] / (h, w)[axis]).ravel() for h, w in cells]) for axis in (1, 0))
    places = np.zeros((2, 30, 4))
    assert not follow_cells([places], cells)
    for axis, values in ((0, x), (1, y)):
        one = places.copy()
        one[..., axis] = values
        assert not follow_cells([one], cells)
    both = places.copy()
    both[..., 0], both[..., 1] = x + 0.01, y * 0.9
    assert follow_cells([both], cells) and not follow_cells([both, places], cells)
    assert follow_cells([both[:, ::2]], cells)  # of many boxes every second one
