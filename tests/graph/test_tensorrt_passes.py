"""Passes that put a graph into TensorRT's words: the same numbers, and the form that was asked for."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from exporter.graph.cast_first import cast_first
from exporter.graph.fp16_scales import SMALLEST, has_fp16_scales, round_scales
from exporter.graph.lower_opset import to_opset_17
from exporter.preprocessing.attach_input import attach_input
from exporter.preprocessing.normalization import Normalization
from exporter.quantization.int8 import Int8
from exporter.quantization.task import Task
from tests.quantization.networks import constants, detector, made_images, relative_error, run

FLOAT = TensorProto.FLOAT


@pytest.mark.parametrize("channels", ["rgb", "bgr"])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_bytes_are_cast_before_anything_else(layout, channels):
    normalization = Normalization(mean=(1.0, 2.0, 3.0), std=(255.0, 200.0, 100.0))
    model = attach_input(detector(batch=1), normalization, "uint8", layout, channels)
    cast = cast_first(model)
    onnx.checker.check_model(cast, full_check=True)
    readers = [node.op_type for node in cast.graph.node if "images" in node.input]
    assert readers == ["Cast"] and sum(node.op_type == "Cast" for node in cast.graph.node) == 1
    shape = [side.dim_value for side in model.graph.input[0].type.tensor_type.shape.dim]
    image = np.random.default_rng(0).integers(0, 256, shape)
    for got, want in zip(*(run(m, image.astype(np.uint8)) for m in (cast, model)), strict=True):
        np.testing.assert_array_equal(got, want)
    assert cast_first(cast) is cast


def graph(nodes, opset=18, **weights) -> onnx.ModelProto:
    x = helper.make_tensor_value_info("x", FLOAT, [2, 6])
    y = helper.make_tensor_value_info("y", FLOAT, ["a", "b"])
    stored = [numpy_helper.from_array(np.array(value), name) for name, value in weights.items()]
    return helper.make_model(
        helper.make_graph(nodes, "g", [x], [y], stored), opset_imports=[helper.make_opsetid("", opset)], ir_version=8
    )


def node(op, *inputs, outputs=("y",), **attributes):
    return helper.make_node(op, list(inputs), list(outputs), **attributes)


@pytest.mark.parametrize(
    "model",
    [
        graph([node("ReduceMax", "x", "axes")], axes=[1]),
        graph([node("ReduceMean", "x", "axes")], axes=[0, 1]),
        graph([node("ReduceMin", "x")]),
        graph([node("Split", "x", "sizes", outputs=["y", "z"], axis=1)], sizes=[2, 4]),
        graph([node("Pad", "x", "pads")], pads=[0, 1, 0, 2]),
    ],
    ids=lambda model: model.graph.node[0].op_type if isinstance(model, onnx.ModelProto) else None,
)
def test_opset_17_says_the_same(model):
    lowered = to_opset_17(model)
    assert lowered.opset_import[0].version == 17 and model.opset_import[0].version == 18
    onnx.checker.check_model(lowered, full_check=True)
    x = np.random.default_rng(0).normal(size=(2, 6)).astype(np.float32)
    got, want = (ort.InferenceSession(m.SerializeToString()).run(None, {"x": x})[0] for m in (lowered, model))
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(
    "model",
    [
        graph([node("Split", "x", outputs=["y", "z"], axis=1, num_outputs=2)]),
        graph([node("Pad", "x", "pads", "", "axes")], pads=[1, 2], axes=[1]),
        graph([node("Mish", "x")]),
        graph([node("Identity", "x")], opset=19),
        graph([node("Cast", "x", outputs=["a"], to=TensorProto.INT64), node("ReduceMax", "x", "a")]),
    ],
)
def test_what_17_cannot_say_stays_as_it_is(model):
    assert to_opset_17(model) is model


def quantized(opset: int = 19) -> onnx.ModelProto:
    model = detector(batch=1)
    model.opset_import[0].version, model.ir_version = opset, 9
    return Int8().quantize(Task(model, images=made_images(3), scheme="s8s8")).model


def test_rounded_scales_are_numbers_of_float16_and_change_next_to_nothing():
    model = quantized()
    rounded = round_scales(model)
    before, after = constants(model), constants(rounded)
    scales = [name for name in after if name.endswith("/scale")]
    assert len(scales) > 10
    for name in scales:
        np.testing.assert_array_equal(after[name], after[name].astype(np.float16).astype(np.float32))
        np.testing.assert_allclose(after[name], before[name], rtol=2**-11)
    integers = [name for name in after if after[name].dtype == np.int8]
    assert all((before[name] == after[name]).all() for name in integers)
    image = made_images(1, seed=7)[0]
    for got, want in zip(run(rounded, image), run(model, image), strict=True):
        assert relative_error(want, got) < 0.01


def test_integers_are_counted_again_where_a_scale_is_too_small_for_float16():
    model = quantized()
    name = "backbone.stem.conv.weight"
    small = next(tensor for tensor in model.graph.initializer if tensor.name == f"{name}/scale")
    scale = numpy_helper.to_array(small).copy()
    scale[0] = SMALLEST / 8
    small.CopyFrom(numpy_helper.from_array(scale, small.name))
    before, after = constants(model), constants(round_scales(model))
    assert after[f"{name}/scale"][0] == SMALLEST
    reals = [stored[f"{name}/quantized"][0] * stored[f"{name}/scale"][0] for stored in (before, after)]
    np.testing.assert_allclose(*reals, atol=SMALLEST / 2)
    np.testing.assert_array_equal(after[f"{name}/quantized"][1:], before[f"{name}/quantized"][1:])


def test_no_integer_wraps_where_a_small_scale_is_rounded_down():
    model = quantized()
    name = "backbone.stem.conv.weight"
    small = next(tensor for tensor in model.graph.initializer if tensor.name == f"{name}/scale")
    scale = np.full_like(numpy_helper.to_array(small), SMALLEST * 1.0077)  # 127 of it are 127.98 of what it becomes
    small.CopyFrom(numpy_helper.from_array(scale, small.name))
    before, after = constants(model), constants(round_scales(model))
    assert (after[f"{name}/scale"] == SMALLEST).all()
    moved = after[f"{name}/quantized"].astype(int) - before[f"{name}/quantized"]
    assert np.abs(before[f"{name}/quantized"]).max() == 127 and np.abs(moved).max() <= 1


def test_half_scales_are_found_in_the_file(tmp_path):
    model = quantized()
    assert not has_fp16_scales(model.SerializeToString()) and not has_fp16_scales(detector().SerializeToString())
    for tensor in model.graph.initializer:
        if tensor.name.endswith("/scale"):
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    assert has_fp16_scales(tmp_path / "model.onnx")
