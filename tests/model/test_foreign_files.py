"""ONNX as other tools write it: built, or refused in one line that says what to declare; never built wrongly."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper

from exporter.common.errors import RequestError
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.model.onnx import OnnxModel
from exporter.pipeline.stages.trace import core_graph
from tests.model.graphs import detector
from tests.model.head.encoded import HEADS, HEIGHT, WIDTH, encoded, known, network

SIZE = [f"input.height={HEIGHT}", f"input.width={WIDTH}"]


def core_of(path, head: str, *overrides: str):
    """The core graph of a file, and what the file itself is read as; see `core_graph`."""
    recipe = check(compose(["model=onnx", f"model/head={head}", f"model.weights={path}", *SIZE, *overrides]))
    loaded = recipe.model.load()
    return core_graph(loaded.network, recipe.export, recipe.input), loaded, recipe


def holds(path, head: str, *overrides: str, pixels=1e-3, score=1e-5) -> None:
    """Asserts that the core gives the boxes that were encoded."""
    core, loaded, _ = core_of(path, head, *overrides)
    want = known(HEADS[head], batch=1)
    images = np.zeros((1, 3, HEIGHT, WIDTH), np.float32)
    got = onnxruntime.InferenceSession(core.SerializeToString()).run(None, {"images": images})
    for each in (got, [part.numpy() for part in loaded.network(torch.from_numpy(images))]):
        assert np.abs(each[0] - want[0]).max() < pixels
        assert np.abs(each[1] - want[1]).max() < score


def outputs(head: str) -> list[np.ndarray]:
    return encoded(HEADS[head], *known(HEADS[head], batch=1))


@pytest.fixture
def save(tmp_path):
    def saved(model: onnx.ModelProto, **options):
        onnx.save(model, tmp_path / "x.onnx", **options)
        return tmp_path / "x.onnx"

    return saved


@pytest.mark.parametrize("opset", [11, 18, 21])
def test_opsets_from_11_to_21(save, opset):
    """ONNX's converter goes by way of all that lie between."""
    holds(save(network(outputs("yolov8"), opset=opset)), "yolov8")


def test_a_file_of_a_later_opset_keeps_it(save):
    core, _, recipe = core_of(save(network(outputs("yolov8"), opset=20)), "yolov8")
    assert recipe.export.opset == core.opset_import[0].version == 20


def test_float16_is_taken_as_float32_of_the_same_numbers(save):
    path = save(network(outputs("dfine"), kind=TensorProto.FLOAT16))
    holds(path, "dfine", pixels=0.2, score=1e-3)
    core, loaded, _ = core_of(path, "dfine")
    assert "its float16 in float32" in loaded.weights.source
    assert not [tensor for tensor in core.graph.initializer if tensor.data_type == TensorProto.FLOAT16]


def test_an_output_that_is_not_read_is_said(save):
    model = network(outputs("yolov8"))
    model.graph.output.append(helper.make_tensor_value_info("zero", TensorProto.FLOAT, []))
    assert core_of(save(model), "yolov8")[1].weights.source == "file, its outputs not read: zero"


def test_nodes_in_front_of_what_they_read_are_sorted(save):
    model = network(outputs("yolov8"))
    nodes = list(model.graph.node)[::-1]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    holds(save(model), "yolov8")


def test_tensors_beside_the_file(save):
    holds(save(network(outputs("yolox")), save_as_external_data=True, size_threshold=0, location="x.data"), "yolox")


def test_dynamic_axes_with_names(save):
    holds(save(network(outputs("yolov8"), batch="N", size=("h", "w"), images="pixel_values")), "yolov8")


def behind_nms() -> onnx.ModelProto:
    """Boxes and scores as a head gives them, an NMS behind them, and what it keeps as outputs."""
    boxes, scores = known(HEADS["yolo26"], batch=1)
    model = network([boxes, scores], ["raw_boxes", "raw_scores"])
    node = helper.make_node
    model.graph.node.extend([
        node("Transpose", ["raw_scores"], ["by_class"], perm=[0, 2, 1]),
        node("NonMaxSuppression", ["raw_boxes", "by_class", "most"], ["kept"]),
    ])  # fmt: skip
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([50]), "most"))
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("kept", TensorProto.INT64, [None, 3]))
    return model


def test_an_nms_inside_is_cut_off_at_the_tensors_named(save):
    path = save(behind_nms())
    for head in ("boxes_scores", "yolov8"):
        with pytest.raises(
            RequestError,
            match=r"(NMS is inside: cut it off \(model\.cut: exporter inspect looks for the place\))|reads 1",
        ):
            core_of(path, head)
    core, loaded, _ = core_of(path, "boxes_scores", "model.cut=[raw_boxes,raw_scores]")
    got = onnxruntime.InferenceSession(core.SerializeToString()).run(
        None, {"images": np.zeros((1, 3, HEIGHT, WIDTH), np.float32)}
    )
    for part, want in zip(got, known(HEADS["yolo26"], batch=1), strict=True):
        np.testing.assert_array_equal(part, want)
    assert "NonMaxSuppression" not in {node.op_type for node in core.graph.node}
    assert "up to" in loaded.weights.source
    with pytest.raises(RequestError, match=r"model\.cut: .* computes no 'raw_box'; near ones: raw_boxes"):
        core_of(path, "boxes_scores", "model.cut=[raw_box]")


def test_a_second_input_that_only_leads_behind_the_cut_goes(save):
    model = network(outputs("dfine"), ["logits_boxes", "logits"])
    model.graph.input.append(helper.make_tensor_value_info("orig_target_sizes", TensorProto.FLOAT, [1, 1, 4]))
    model.graph.node.append(helper.make_node("Mul", ["logits_boxes", "orig_target_sizes"], ["scaled"]))
    del model.graph.output[:1]
    model.graph.output.append(helper.make_tensor_value_info("scaled", TensorProto.FLOAT, [1, 40, 4]))
    path = save(model)
    with pytest.raises(RequestError, match=r"has inputs images float .*orig_target_sizes"):
        core_of(path, "dfine")
    holds(path, "dfine", "model.cut=[logits_boxes,logits]")


REFUSED = {
    "yolov8's file said to be yolov5": ("yolov8", "yolov5", [], "model.head.columns=first"),
    "yolov5's said to be yolov8": ("yolov5", "yolov8", [], "seems to give|model.head"),
    "yolox's said to be yolov5": ("yolox", "yolov5", [], "seems to give boxes"),
    "yolov8's said to be end to end": ("yolov8", "yolo26", ["model.head.num_classes=5"], "detections are .B, N, 6."),
    "end to end said to be joined": ("yolo26", "yolov8", [], "model.head"),
    "a DETR's said to be joined": ("detr", "yolov8", [], "reads 1 of rank 3"),
    "joined said to be a DETR's": ("yolov8", "detr", [], "reads 2 of rank 3"),
    "D-FINE's said to be the contract's": ("dfine", "boxes_scores", [], r"in 0\.\.1 .* and logits.*model.head.boxes=cxcywh"),
    "maps said to be joined": ("yolox maps", "yolox", [], "reads 1 of rank 3"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_declared_wrongly_is_one_line(save, what):
    made, declared, more, said = REFUSED[what]
    with pytest.raises(RequestError, match=said) as raised:
        core_of(save(network(outputs(made))), declared, *more)
    assert "\n" not in str(raised.value)


def test_float16_of_another_number_than_its_shape_says_is_damage(tmp_path):
    model = detector()
    weights = next(each for each in model.graph.initializer if len(each.dims) == 4)
    weights.data_type = onnx.TensorProto.FLOAT16  # its bytes are those of float32
    onnx.save(model, tmp_path / "x.onnx")
    node = OnnxModel(
        weights=str(tmp_path / "x.onnx"),
        outputs="auto",
        class_names="auto",
        confidence_threshold=0.25,
        nms_threshold=0.7,
    )
    with pytest.raises(RequestError, match=rf"model\.weights=x\.onnx: {weights.name}: not the numbers"):
        node.load()
