"""`exporter inspect FILE.onnx` of a graph that chooses among its boxes itself: the head is read in front of that."""

import io
import shlex

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from exporter.cli import main
from exporter.cli.verbs.inspect.recognised import MAX_PLACES
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.model.cut_places import cut_places
from exporter.pipeline.stages.trace import core_graph
from tests.model.graphs import edited
from tests.model.head.encoded import HEADS, HEIGHT, WIDTH, encoded, known, network

ULTRALYTICS = {"description": "Ultralytics YOLO11n model", "names": "{0: 'a', 1: 'b', 2: 'c', 3: 'd', 4: 'e'}"}


def chosen_by(post: torch.nn.Module, head: str, between: dict[str, list[int]], outputs: list[str]) -> onnx.ModelProto:
    """A network with that head and `post` behind it, as its own tool exports both in one graph.

    between: the network's outputs and their shapes, which `post` reads, before `orig_target_sizes` int64 [1, 2]."""
    first = network(encoded(HEADS[head], *known(HEADS[head], batch=1)), list(between))
    data = io.BytesIO()
    given = (*(torch.zeros(shape) for shape in between.values()), torch.tensor([[WIDTH, HEIGHT]]))
    torch.onnx.export(
        post, given, data, input_names=[*between, "orig_target_sizes"], output_names=outputs, dynamo=False,
        opset_version=18,
    )  # fmt: skip
    second = onnx.load_from_string(data.getvalue())
    second.ir_version = first.ir_version
    return onnx.compose.merge_models(first, second, io_map=[(name, name) for name in between])


class OfRtDetr(torch.nn.Module):
    """RT-DETR's and D-FINE's `PostProcessor` in deploy mode."""

    def forward(self, boxes, logits, sizes):
        centre, sides = boxes.split(2, dim=-1)
        found = torch.cat([centre - 0.5 * sides, centre + 0.5 * sides], dim=-1) * sizes.repeat(1, 2).unsqueeze(1)
        scores, index = torch.sigmoid(logits).flatten(1).topk(30, dim=-1)
        labels, index = index % logits.shape[2], index // logits.shape[2]
        return labels, found.gather(1, index.unsqueeze(-1).repeat(1, 1, 4)), scores


def ultralytics() -> onnx.ModelProto:
    """What stands behind YOLO11 with nms=True: of the sure boxes those of every class moved aside, and one NMS for all."""
    boxes, scores = known(HEADS["yolov8"], batch=1)
    model = network([np.concatenate([boxes, scores], axis=2).transpose(0, 2, 1)], ["joined"])
    node = helper.make_node
    model.graph.node.extend([
        node("Transpose", ["joined"], ["rows"], perm=[0, 2, 1]), node("Split", ["rows", "four"], ["b", "s"], axis=2),
        node("ArgMax", ["s"], ["class"], axis=2), node("Cast", ["class"], ["number"], to=TensorProto.FLOAT),
        node("ReduceMax", ["s", "two"], ["best"], keepdims=0), node("Greater", ["best", "least"], ["sure"]),
        node("NonZero", ["sure"], ["at"]), node("Transpose", ["at"], ["places"]),
        *(node("GatherND", [each, "places"], [f"sure_{each}"]) for each in ("b", "number", "best")),
        node("Mul", ["sure_number", "far"], ["moved_by"]), node("Add", ["sure_b", "moved_by"], ["moved"]),
        node("Unsqueeze", ["moved", "zero_axis"], ["one_image"]), node("Unsqueeze", ["sure_best", "both_axes"], ["by_class"]),
        node("Cast", ["one_image"], ["cast"], to=TensorProto.FLOAT),
        node("Cast", ["by_class"], ["cast_scores"], to=TensorProto.FLOAT),
        node("NonMaxSuppression", ["cast", "cast_scores", "most"], ["kept"]),
    ])  # fmt: skip
    constants = {"four": [4, 5], "two": [2], "most": [50], "zero_axis": [0], "both_axes": [0, 1]}
    model.graph.initializer.extend(numpy_helper.from_array(np.array(each), name) for name, each in constants.items())
    numbers = {"far": np.float32(1000), "least": np.float32(0.001)}
    model.graph.initializer.extend(numpy_helper.from_array(each, name) for name, each in numbers.items())
    return ending(model, "kept")


def paddle() -> onnx.ModelProto:
    """PP-YOLOE with NMS: boxes are divided by a second input first."""
    boxes, scores = known(HEADS["yolov8"], batch=1)
    model = network([boxes, scores], ["raw_boxes", "raw_scores"])
    node = helper.make_node
    model.graph.input.append(helper.make_tensor_value_info("scale_factor", TensorProto.FLOAT, [1, 2]))
    model.graph.node.extend([
        node("Concat", ["scale_factor", "scale_factor"], ["twice"], axis=1), node("Div", ["raw_boxes", "twice"], ["b"]),
        node("Transpose", ["raw_scores"], ["by_class"], perm=[0, 2, 1]),
        node("NonMaxSuppression", ["b", "by_class", "most"], ["kept"]),
    ])  # fmt: skip
    model.graph.initializer.append(numpy_helper.from_array(np.array([50]), "most"))
    return ending(model, "kept")


def ending(model: onnx.ModelProto, output: str) -> onnx.ModelProto:
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info(output, TensorProto.INT64, [None, 3]))
    return model


def of_rtdetr() -> onnx.ModelProto:
    between = {"pred_boxes": [1, 40, 4], "pred_logits": [1, 40, 5]}
    return chosen_by(OfRtDetr(), "dfine", between, ["labels", "boxes", "scores"])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the tracer of TorchScript, as those tools use it
@pytest.mark.parametrize(
    ("model", "metadata", "head", "cut", "nms"),
    [
        (of_rtdetr, {}, "dfine", ["pred_boxes", "pred_logits"], "TopkNms"),
        (ultralytics, ULTRALYTICS, "boxes_scores", ["b", "s"], "OnnxNms"),
        (paddle, {}, "paddle", ["by_class", "raw_boxes"], "OnnxNms"),
    ],
)
def test_the_recipe_cuts_it_off_in_front_of_what_chooses(
    tmp_path, capsys, monkeypatch, model, metadata, head, cut, nms
):
    monkeypatch.chdir(tmp_path)
    made = model()
    onnx.helper.set_model_props(made, metadata)
    onnx.save(made, "x.onnx")
    assert main(["inspect", "x.onnx", "--save", "theirs"]) == 0
    shown = capsys.readouterr().out
    assert f"head            {head}: " in shown and f"the head is read at {', '.join(cut)}\n" in shown
    if metadata:
        assert (
            "known           what it is fed: RGB 0..1, proportions kept, padding center with 114 (as Ultralytics"
            in shown
        )
    (line,) = (line for line in shown.splitlines() if line.startswith("  build"))
    command = shlex.split(line)[2:]
    for overrides in (["+recipe=theirs"], command):
        recipe = check(compose(overrides))
        assert type(recipe.nms).__name__ == nms
        core = core_graph(recipe.model.load().network, recipe.export, recipe.input)
        run = onnxruntime.InferenceSession(core.SerializeToString()).run
        got = run(None, {"images": np.zeros((1, 3, HEIGHT, WIDTH), np.float32)})
        for part, want in zip(got, known(HEADS["yolov8"], batch=1), strict=True):
            np.testing.assert_allclose(part, want, atol=1e-3)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_bytes_with_channels_last_and_a_second_input(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = of_rtdetr()
    first = [
        helper.make_node("Cast", ["frame"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["images"], perm=[0, 3, 1, 2]),
    ]
    frame = helper.make_tensor_value_info("frame", TensorProto.UINT8, [1, HEIGHT, WIDTH, 3])
    onnx.save(edited(model, node=[*first, *model.graph.node], input=[model.graph.input[1], frame]), "x.onnx")
    assert main(["inspect", "x.onnx", "--save", "theirs"]) == 0
    assert "what it is fed: RGB 0..255, stretched" in capsys.readouterr().out
    recipe = check(compose(["+recipe=theirs"]))
    assert (recipe.input.height, recipe.input.width) == (HEIGHT, WIDTH)
    boxes, _ = recipe.model.load().network(torch.zeros(1, 3, HEIGHT, WIDTH))
    np.testing.assert_allclose(boxes.numpy(), known(HEADS["dfine"], batch=1)[0], atol=1e-3)


def agnostic() -> onnx.ModelProto:
    """One NMS for all classes: it reads the best score of each box, and the class is looked up behind it."""
    boxes, scores = known(HEADS["yolov8"], batch=1)
    model = network([boxes, scores], ["b", "s"])
    node = helper.make_node
    model.graph.node.extend([
        node("ReduceMax", ["s", "two"], ["best"], keepdims=1), node("Transpose", ["best"], ["by_class"], perm=[0, 2, 1]),
        node("NonMaxSuppression", ["b", "by_class", "most"], ["kept"]), node("Gather", ["kept", "last"], ["rows"], axis=1),
        node("ArgMax", ["s"], ["class"], axis=2, keepdims=0), node("Gather", ["class", "rows"], ["classes"], axis=1),
        node("Gather", ["b", "rows"], ["boxes"], axis=1), node("Gather", ["best", "rows"], ["scores"], axis=1),
    ])  # fmt: skip
    for name, value in {"two": [2], "most": [50], "last": 2}.items():
        model.graph.initializer.append(numpy_helper.from_array(np.array(value), name))
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in ("boxes", "scores", "classes"))
    return onnx.shape_inference.infer_shapes(model)


def shown_of(model: onnx.ModelProto, tmp_path, capsys, **metadata: str) -> str:
    onnx.helper.set_model_props(model, metadata)
    onnx.save(model, tmp_path / "x.onnx")
    assert main(["inspect", str(tmp_path / "x.onnx")]) == 0
    return capsys.readouterr().out


def test_the_classes_of_an_nms_that_reads_the_best_score_alone_are_not_lost(tmp_path, capsys):
    shown = shown_of(agnostic(), tmp_path, capsys)
    assert "the head is read at b, s\n" in shown and "classes         5: not named" in shown


def test_proposals_of_a_first_stage_are_no_detections(tmp_path, capsys):
    model = agnostic()
    node = helper.make_node
    model.graph.node.extend([
        node("Transpose", ["scores"], ["again"], perm=[0, 2, 1]), node("NonMaxSuppression", ["boxes", "again", "most"], ["second"]),
    ])  # fmt: skip
    shown = shown_of(ending(model, "second"), tmp_path, capsys)
    assert "not recognised: NMS is inside, and no head that is known by name fits in front of it: model.cut=" in shown


def test_a_constant_among_the_inputs_is_no_image(tmp_path, capsys):
    model = paddle()
    model.graph.initializer.append(numpy_helper.from_array(np.ones((1, 1, 1, 1), np.float32), "one"))
    model.graph.input.append(helper.make_tensor_value_info("one", TensorProto.FLOAT, [1, 1, 1, 1]))
    (nms,) = (each for each in model.graph.node if each.op_type == "NonMaxSuppression")
    model.graph.node.remove(nms)
    model.graph.node.append(helper.make_node("Reshape", ["one", "row"], ["threshold"]))
    model.graph.initializer.append(numpy_helper.from_array(np.array([1]), "row"))
    nms.input.append("threshold")
    model.graph.node.append(nms)
    assert "the head is read at by_class, raw_boxes\n" in shown_of(model, tmp_path, capsys)


def test_no_place_is_tried_twice_and_single_ones_last():
    places = list(cut_places(onnx.shape_inference.infer_shapes(ultralytics())))
    assert places[0] == ("b", "s") and ("rows",) in places and ("joined",) in places
    assert len({frozenset(each) for each in places}) == len(places) <= MAX_PLACES
    assert all(len(set(each)) == len(each) for each in places)


def test_where_nothing_is_known_in_front_of_an_nms_that_is_said(tmp_path, capsys):
    model = ultralytics()
    next(each for each in model.graph.initializer if each.name == "c0").CopyFrom(
        numpy_helper.from_array(np.full((1, 9, 40), np.inf, np.float32), "c0")
    )
    onnx.save(model, tmp_path / "x.onnx")
    assert main(["inspect", str(tmp_path / "x.onnx")]) == 0
    assert "head            not recognised: NMS is inside, and no head" in capsys.readouterr().out
