"""A declared head: known boxes come back from each encoding, out of the numpy decode and out of the graph."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from pydantic import ValidationError

from exporter.common.errors import RequestError
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.model.declared_network import DeclaredNetwork
from exporter.model.graph_network import GraphNetwork
from exporter.model.head import Head
from exporter.model.head.operators import attach, output_names
from exporter.model.head.plain import MisdeclaredError, decode
from tests.model.head.encoded import HEADS, HEIGHT, WIDTH, encoded, known, network, one_dimension_more


def close(got, want, pixels=1e-3, score=1e-6):
    assert got[0].shape == want[0].shape and got[1].shape == want[1].shape
    assert np.abs(got[0] - want[0]).max() < pixels
    assert np.abs(got[1] - want[1]).max() < score


@pytest.mark.parametrize("what", HEADS)
def test_known_boxes_come_back(what):
    head = HEADS[what]
    want = known(head, batch=2)
    outputs = [each.astype(np.float32) for each in encoded(head, *want)]
    close(decode(head, outputs, HEIGHT, WIDTH), want)


@pytest.mark.parametrize("what", HEADS)
def test_the_graph_gives_what_numpy_gives(what):
    head = HEADS[what]
    want = known(head, batch=1)
    outputs = encoded(head, *want)
    told = [f"out{i}" for i in range(len(outputs))] if head.layout == "split_maps" else None
    given = GraphNetwork(network(outputs), told, "x.onnx", head)
    core = given.core(18, 1, HEIGHT, WIDTH)
    assert [value.name for value in core.graph.output] == ["boxes", "scores"]
    images = np.zeros((1, 3, HEIGHT, WIDTH), np.float32)
    got = onnxruntime.InferenceSession(core.SerializeToString()).run(None, {"images": images})
    close(got, want)
    close([each.numpy() for each in given(torch.from_numpy(images))], want)
    shapes = [[dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in core.graph.output]
    assert shapes == [list(each.shape) for each in got]


def test_boxes_of_yolov4_have_one_dimension_more():
    head = HEADS["yolov4"]
    want = known(head, batch=1)
    outputs = one_dimension_more(encoded(head, *want))
    close(decode(head, outputs, HEIGHT, WIDTH), want)
    core = GraphNetwork(network(outputs), None, "x.onnx", head).core(18, 1, HEIGHT, WIDTH)
    images = np.zeros((1, 3, HEIGHT, WIDTH), np.float32)
    close(onnxruntime.InferenceSession(core.SerializeToString()).run(None, {"images": images}), want)


@pytest.mark.parametrize("shape", [(1, 1, 9, 40), (1, 9, 1, 40), (1, 9, 40, 1), (9, 40)])
def test_no_other_dimension_of_one_is_dropped_and_none_is_added(shape):
    with pytest.raises(MisdeclaredError, match="has not three dimensions"):
        decode(Head(layout="joined", columns="first"), [np.zeros(shape, np.float32)], HEIGHT, WIDTH)


def test_relative_boxes_are_of_each_image_where_sizes_are_free():
    head = Head(boxes="cxcywh", unit="relative")
    outputs = encoded(head, *known(head, batch=1))
    core = attach(network(outputs, output_names(2), size=("height", "width")), head)
    session = onnxruntime.InferenceSession(core.SerializeToString())
    for height, width in ((HEIGHT, WIDTH), (160, 32)):
        got = session.run(None, {"images": np.zeros((1, 3, height, width), np.float32)})
        close(got, decode(head, outputs, height, width))


def declared(what: str, names=None, told=None, **changes):
    """A network with the head `what`, read with that head changed."""
    head = HEADS[what]
    given = network(encoded(head, *known(head, batch=1)), names)
    return GraphNetwork(given, told, "x.onnx", Head.model_validate(head.model_dump() | changes))


WRONG = {
    "cxcywh said to be xyxy": ("yolov8", {"boxes": "xyxy"}, "boxes .*cx, cy, w, h.*declare .*model.head.boxes=cxcywh"),
    "xywh said to be xyxy": ("xywh relative", {"boxes": "xyxy"}, "boxes .*in pixels.* or declare .*model.head.boxes=xywh"),
    "xyxy said to be cxcywh": ("yolo26", {"boxes": "cxcywh"}, "boxes xyxy .*model.head.boxes=xyxy"),
    "0..1 said to be pixels": ("dfine", {"unit": "pixels"}, r"in 0\.\.1.*model.head.unit=relative"),
    "pixels said to be 0..1": ("yolov8", {"unit": "relative"}, "far outside the image.*model.head.unit=pixels"),
    "scores said to be logits": ("yolov8", {"activation": "sigmoid"}, r"scores in 0\.\.1 already.*model.head.activation=none"),
    "logits said to be scores": ("dfine", {"activation": "none"}, "logits .*model.head.activation=sigmoid"),
    "softmax's logits said to be scores": ("detr", {"activation": "none", "background": "none"}, "beyond 0..1|logits"),
    "more classes than are said": ("yolo26", {"num_classes": 3}, "detections of class 4, where 3 are counted from 0: .*must be 5 at least"),
    "distances in pixels said to be in strides": ("distances in pixels", {"decoding": "distances"}, r"boxes pixel_distances .*model\.head\.decoding=pixel_distances$"),
    "yxyx said to be cxcywh": ("yxyx relative", {"boxes": "cxcywh"}, "boxes .*model.head.boxes="),
    "columns": ("yolov8", {"columns": "last"}, "9 boxes of 36 classes: model.head.columns=first would"),
    "no decoding": ("yolox", {"decoding": "none", "boxes": "cxcywh", "strides": []}, "seems to give boxes"),
    "strides": ("yolox", {"strides": [16, 32]}, "126 boxes, and strides .16, 32. give 30"),
    "maps in another order": ("yolox maps", {"strides": [32, 16, 8]}, "it gives .1, 10, 8, 12. for the map of stride 32, and 1 × 2 × 3 cells"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_declaration_is_noticed_and_the_right_one_said(what):
    head, changes, said = WRONG[what]
    with pytest.raises(RequestError, match=said) as raised:
        declared(head, **changes)
    assert str(raised.value).startswith("x.onnx: ") and "\n" not in str(raised.value)


def test_no_activation_is_proposed_for_what_are_scores_already_in_part_or_nearly():
    head = HEADS["yolov8"]
    boxes, scores = known(head, batch=1)
    masks = np.random.default_rng(0).normal(0, 1000, (*scores.shape[:2], 32))
    for given in (np.concatenate([scores, masks], -1), scores * np.float32(1.05 / scores.max())):
        with pytest.raises(RequestError, match=r"logits|beyond") as raised:
            GraphNetwork(network(encoded(head, boxes, given)), None, "x", head)
        assert "activation" not in str(raised.value)


def test_boxes_and_scores_in_the_other_order_are_to_be_named_in_the_right_one():
    boxes, scores = known(Head(), batch=1, classes=4)
    given = network([boxes, scores], ["scores", "boxes"])
    with pytest.raises(RequestError, match=r"scores where boxes should be.*name them in the other order[^;]*$"):
        GraphNetwork(given, ["boxes", "scores"], "x")


def test_a_second_softmax_and_columns_that_are_no_scores_are_noticed():
    head = HEADS["background first"]
    boxes, scores = known(head, batch=1)
    done = np.concatenate([boxes, 1 - scores.sum(-1, keepdims=True), scores], -1)
    assert GraphNetwork(network([done]), None, "x", Head(layout="joined", background="first")).num_classes == 5
    with pytest.raises(RequestError, match=r"scores in 0\.\.1 already, .*activation=softmax: .*head.activation=none$"):
        GraphNetwork(
            network([done]), None, "x", Head.model_validate(head.model_dump() | {"boxes": "xyxy", "unit": "pixels"})
        )
    with pytest.raises(RequestError, match=r"head\.background=first or model\.head\.background=last$"):
        GraphNetwork(network([done]), None, "x", Head(layout="joined"))
    masks = np.random.default_rng(0).normal(0, 1, (*scores.shape[:2], 3))
    for background, columns in (
        ("none", scores),
        ("last", np.concatenate([scores, 1 - scores.sum(-1, keepdims=True)], -1)),
    ):
        given = Head(layout="joined", background=background)
        with pytest.raises(
            RequestError, match=r"scores in \d columns and something else in \d .*declare .*num_classes=5$"
        ):
            GraphNetwork(network([np.concatenate([boxes, columns, masks], -1)]), None, "x", given)


def test_a_reading_that_fails_at_another_size_alone_is_one_line():
    """As YOLOv8's 80 classes with free sides: 84 boxes of 84 numbers on 64 pixels."""

    class Free(DeclaredNetwork):
        def _graph(self, opset, sizes, options, device):
            raise NotImplementedError

        def _run(self, images):
            return [np.full((len(images), 84, images.shape[2] * images.shape[3] * 21 // 1024), 0.3, np.float32)]

    with pytest.raises(
        RequestError, match=r"256 × 256 it gives 84 boxes of 1339 classes: model.head.columns=first would"
    ):
        Free(HEADS["yolov5"], "x.onnx", 1, None, (None, None))


def test_what_cannot_be_declared_is_one_line_each():
    for values, said in [
        ({"decoding": "yolox"}, "needs strides"),
        ({"layout": "maps"}, "needs decoding"),
        ({"decoding": "dfl", "strides": [8], "unit": "relative"}, "have no effect with decoding=dfl"),
        ({"decoding": "yolov5", "strides": [8]}, "needs anchors"),
        ({"anchors": [[[1, 2]]]}, "only decoding=yolov5"),
        ({"strides": [7]}, "must be a multiple of each"),
        ({"origin": 0}, "only decoding=distances, pixel_distances, dfl"),
        ({"columns": "classes_first"}, "are one output, joined or maps"),
        ({"layout": "joined", "columns": "classes_first", "num_classes": 3}, "all before the box is classes"),
        ({"layout": "joined", "columns": "classes_first", "objectness": True}, "all before the box is classes"),
        ({"objectness": True}, "layout=split has none"),
        ({"layout": "detections", "activation": "sigmoid"}, "have no effect with layout=detections"),
        ({"num_classes": 3}, "says it by its shape"),
        ({"layout": "joined", "columns": "boxes_last"}, "in layout=split alone"),
        ({"layout": "split_maps", "objectness": True}, "needs decoding"),
        ({"layout": "split_maps", "num_classes": 3, "decoding": "dfl", "strides": [8]}, "says it by its shape"),
        ({"preprocessing": {"max": 3}}, "preprocessing"),
    ]:
        with pytest.raises(ValidationError, match=said):
            Head.model_validate(values)


@pytest.mark.parametrize(("settings", "least"), [
    ({}, 1), ({"objectness": True}, 2), ({"activation": "softmax", "background": "last"}, 2),
])  # fmt: skip
def test_one_class_is_enough_and_none_is_not(settings, least):
    head = Head(layout="joined", **settings)
    _, scores = decode(head, [np.ones((1, 40, 4 + least), np.float32)], HEIGHT, WIDTH)
    assert scores.shape == (1, 40, 1)
    with pytest.raises(MisdeclaredError, match="leave none for classes"):
        decode(head, [np.ones((1, 40, 4 + least - 1), np.float32)], HEIGHT, WIDTH)


def test_outputs_are_found_by_shape_or_told():
    two = declared("dfine", ["labels", "dets"][::-1])
    assert two.num_classes == 5
    head = HEADS["dfine"]
    outputs = encoded(head, *known(head, batch=1))
    swapped = GraphNetwork(network(outputs[::-1], ["logits", "pred_boxes"]), None, "x.onnx", head)
    assert swapped.num_classes == 5
    more = network([*outputs, outputs[0]], ["a", "b", "aux"])
    with pytest.raises(
        RequestError, match=r"reads 2 of rank 3 .* and 3 may be those: say which, model\.head\.outputs="
    ):
        GraphNetwork(more, None, "x.onnx", head)
    assert GraphNetwork(more, ["a", "b"], "x.onnx", head).num_classes == 5
    with pytest.raises(RequestError, match=r"model\.outputs names c, which is none of them"):
        GraphNetwork(more, ["a", "c"], "x.onnx", head)


def test_outputs_that_cannot_be_told_apart_are_asked_for_and_others_do_not_count():
    head = HEADS["dfine"]
    boxes, scores = encoded(head, *known(head, batch=1))
    for alike in ([boxes, scores[..., :4]], [boxes[..., :3], scores]):  # four classes; no boxes
        with pytest.raises(RequestError, match=r"may be those: say which, model\.head\.outputs="):
            GraphNetwork(network(alike), None, "x.onnx", head)
    given = network([boxes, scores, scores[0]])  # the last has rank 2
    given.graph.node.append(helper.make_node("Cast", ["out1"], ["numbers"], "/Cast", to=TensorProto.INT64))
    given.graph.output.append(helper.make_tensor_value_info("numbers", TensorProto.INT64, scores.shape))
    assert GraphNetwork(given, None, "x.onnx", head).num_classes == 5


def test_maps_of_boxes_and_of_classes_are_not_told_apart_by_guessing():
    head = HEADS["yolox in three maps a stride"]
    given = network(encoded(head, *known(head, batch=1)))
    with pytest.raises(RequestError, match=r"reads 9, whose order no shape tells: say which, .*BOXES_8.*CLASSES_8"):
        GraphNetwork(given, None, "x.onnx", head)
    with pytest.raises(RequestError, match=r"has 3 names, and layout=split_maps reads 9"):
        GraphNetwork(given, ["out0", "out1", "out2"], "x.onnx", head)


def test_maps_of_many_classes_and_those_in_another_order():
    many = Head(layout="split_maps", decoding="distances", strides=(16, 32))
    outputs = [np.ones((1, k, 64 // s, 64 // s), np.float32) for k in (4, 80) for s in (16, 32)]
    assert decode(many, outputs, 64, 64)[1].shape == (1, 20, 80)
    head = HEADS["yolox in three maps a stride"]
    maps = encoded(head, *known(head, batch=1))
    with pytest.raises(MisdeclaredError, match="5 numbers a box where one, objectness, is wanted"):
        decode(head, [*maps[:3], *maps[6:], *maps[3:6]], HEIGHT, WIDTH)


def test_more_classes_than_there_are_numbers():
    head = HEADS["masks behind"].model_copy(update={"num_classes": 13})
    with pytest.raises(MisdeclaredError, match=r"12 numbers behind the place of a box, and .*num_classes needs 13"):
        decode(head, encoded(HEADS["masks behind"], *known(head, batch=1)), HEIGHT, WIDTH)


def test_a_class_that_there_is_not():
    head = HEADS["dfine"].model_copy(update={"classes": (0, 5)})
    with pytest.raises(MisdeclaredError, match=r"scores of 5 classes, .*model.head.classes reads number 5"):
        decode(head, encoded(HEADS["dfine"], *known(HEADS["dfine"], batch=1)), HEIGHT, WIDTH)


def test_a_class_is_chosen_once_and_keeps_its_name():
    with pytest.raises(ValueError, match="classes: has a number twice"):
        Head(classes=(1, 1))
    head = Head(classes=(3, 0))
    assert head.names_read(("a", "b", "c", "d")) == ("d", "a") and head.names_read(("d", "a")) == ("d", "a")


def test_logits_of_objectness_are_told_what_is_wrong_with_the_boxes():
    head = HEADS["yolov5"].model_copy(update={"activation": "sigmoid"})
    given = network(encoded(head, *known(head, batch=1)))
    assert GraphNetwork(given, None, "x.onnx", head).num_classes == 5
    with pytest.raises(RequestError, match="seems to give boxes cx, cy, w, h"):
        GraphNetwork(given, None, "x.onnx", head.model_copy(update={"boxes": "xyxy"}))


def test_objectness_is_in_0_to_1():
    head = HEADS["yolov5"]
    (rows,) = encoded(head, *known(head, batch=1))
    rows[0, 7, 4] = 3  # the number of a map, say
    with pytest.raises(MisdeclaredError, match=r"from 0.5 to 3 where objectness is wanted, in 0\.\.1"):
        decode(head, [rows], HEIGHT, WIDTH)


def test_a_size_that_is_no_multiple_is_said_with_the_key_that_says_it(tmp_path):
    head = HEADS["rfdetr"]
    onnx.save(network(encoded(head, *known(head, batch=1))), tmp_path / "x.onnx")
    chosen = ["model=onnx", "model/head=rfdetr", f"model.weights={tmp_path / 'x.onnx'}", "input.size=100"]
    with pytest.raises(
        RequestError, match=r"input\.size=100: must be a multiple of 16 pixels, model\.head\.size_multiple"
    ):
        check(compose(chosen))
    with pytest.raises(
        RequestError, match=r"^input\.size=100: must be a multiple of 32 pixels, .* stride: take 96 or 128$"
    ):
        check(compose(["+recipe=yolo_nas_s", "input.size=100"]))


def test_detections_need_the_number_of_classes():
    head = HEADS["yolo26"].model_copy(update={"num_classes": None})
    assert head.counted(7).num_classes == 7 and HEADS["yolo26"].counted(7).num_classes == 5
    with pytest.raises(RequestError, match=r"model\.head\.num_classes: must be set"):
        head.counted(None)


def test_decoded_boxes_are_no_offsets_and_numbers_between_whole_ones_no_classes():
    head = HEADS["yolox"]
    boxes, scores = known(head, batch=1)
    relative = boxes / [WIDTH, HEIGHT, WIDTH, HEIGHT]
    given = network([np.concatenate([relative, np.ones((*boxes.shape[:2], 1)), scores], -1)])
    with pytest.raises(RequestError, match=r"decoded boxes already, before model.head.decoding=yolox"):
        GraphNetwork(given, None, "x.onnx", head)
    given = network([np.concatenate([boxes, scores[..., :2]], -1)])
    with pytest.raises(RequestError, match=r"0\.\d+ where detections have the number of a class: these are none"):
        GraphNetwork(given, None, "x.onnx", HEADS["yolo26"])


@pytest.mark.parametrize("unit", ["relative", "pixels"])
def test_corners_of_small_boxes_are_no_centres_and_sides(unit):
    """Read so they end behind their beginning, and half of them lie in the image: nothing else tells."""
    rng, size = np.random.default_rng(0), np.array([WIDTH, HEIGHT] * 2)
    low = rng.uniform(0, 0.9, (1, 300, 2))
    corners = np.concatenate([low, low + rng.uniform(0.02, 0.1, low.shape)], -1) * (1 if unit == "relative" else size)
    scores = rng.uniform(0.01, 0.9, (1, 300, 5))
    with pytest.raises(RequestError, match=r"seems to give boxes xyxy \("):
        GraphNetwork(network([corners, scores]), None, "x.onnx", Head(boxes="cxcywh", unit=unit))
    GraphNetwork(network([corners, scores]), None, "x.onnx", Head(unit=unit))


def test_a_class_below_zero_is_no_class():
    head = HEADS["yolo26"]
    (rows,) = encoded(head, *known(head, batch=1))
    rows[0, ::2, 5] = -1
    boxes, scores = decode(head, [rows], HEIGHT, WIDTH)
    assert not scores[0, ::2].any() and (scores[0, 1::2].max(axis=1) > 0).all()
    core = attach(network([rows.astype(np.float32)], output_names(1)), head)
    session = onnxruntime.InferenceSession(core.SerializeToString())
    close(session.run(None, {"images": np.zeros((1, 3, HEIGHT, WIDTH), np.float32)}), (boxes, scores))


def test_an_image_that_shows_more_classes_than_those_it_was_judged_by_is_one_line():
    head = HEADS["yolo26"].model_copy(update={"num_classes": 3})
    (rows,) = encoded(head, *known(head, batch=1, classes=3))
    rows = rows.astype(np.float32)

    class Bright(DeclaredNetwork):
        def _graph(self, opset, sizes, options, device):
            raise NotImplementedError

        def _run(self, images):
            given = np.repeat(rows, len(images), axis=0)
            given[images.mean(axis=(1, 2, 3)) > 300, :, 5] = 7  # brighter than any image
            return [given]

    network_of = Bright(head, "x.onnx", 1, None, (HEIGHT, WIDTH))
    with pytest.raises(
        RequestError, match=r"^x\.onnx: on an image it gives detections of class 7, where 3 are counted"
    ):
        network_of(torch.full((1, 3, HEIGHT, WIDTH), 400.0))
