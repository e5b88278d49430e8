"""INT8 with float16 for the rest, on the small network."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from exporter.config.check import check
from exporter.config.compose import compose
from exporter.preprocessing.normalization import Normalization
from exporter.quantization.int8 import Int8
from exporter.quantization.int8_fp16 import Int8Fp16
from exporter.quantization.task import Task
from exporter.runtime.onnx_runtime import session
from tests.quantization.networks import by_name, constants, detector, made_images, relative_error, run


def task(bias_of_a_layer: float = 0.0) -> Task:
    core = detector(batch=1)
    core.opset_import[0].version, core.ir_version = 19, 9
    for tensor in core.graph.initializer:
        if tensor.name == "heads.stem.conv.bias":
            bias = numpy_helper.to_array(tensor) + np.float32(bias_of_a_layer)
            tensor.CopyFrom(numpy_helper.from_array(bias, tensor.name))
    return Task(
        core, Normalization(std=(255.0, 255.0, 255.0)), (16, 16), made_images(6), scheme="s8s8", input_range=(0.0, 1.0)
    )


@pytest.fixture(scope="module")
def quantized():
    return Int8Fp16().quantize(task())


def test_what_is_not_int8_is_float16_but_for_the_decoding(quantized):
    model, summary = quantized.model, quantized.summary
    onnx.checker.check_model(model, full_check=True)
    assert summary.convolutions.int8 == 6 and summary.convolutions.float == 2
    assert (summary.float16_convolutions, summary.float32_convolutions, summary.left_in_float32) == (2, 0, {})
    typed = onnx.shape_inference.infer_shapes(model).graph
    types = {value.name: value.type.tensor_type.elem_type for value in (*typed.value_info, *typed.output)}
    single = [node.name for node in model.graph.node if types.get(node.output[0]) == TensorProto.FLOAT]
    assert single == ["heads.reg_pred/Conv/Cast", "heads.cls_pred/Conv/Cast", "heads/Sigmoid"]
    scales = [array for name, array in constants(model).items() if name.endswith("/scale")]
    assert len(scales) > 15 and {array.dtype for array in scales} == {np.dtype(np.float16)}


def test_it_is_as_near_to_the_network_as_int8_is(quantized):
    given = task()
    plain = Int8().quantize(given).model
    (image,) = made_images(1, seed=5)
    wanted, int8 = run(given.core, image), run(plain, image)
    got = session(quantized.model.SerializeToString()).run(None, {"images": image})
    for want, with_float32, with_float16 in zip(wanted, int8, got, strict=True):
        assert relative_error(want, with_float16) < relative_error(want, with_float32) + 0.005 < 0.03


def test_a_layer_beyond_float16_stays_in_float32():
    made = Int8Fp16().quantize(task(bias_of_a_layer=1e5))
    model, summary = made.model, made.summary
    assert "heads.stem/Relu" in summary.left_in_float32
    (reason,) = {summary.left_in_float32["heads.stem/Relu"]}
    assert "float16 is safe to" in reason
    onnx.checker.check_model(model, full_check=True)
    assert by_name(model)["heads.stem.conv/Conv"].output[0] == "heads.stem.conv/Conv"
    (image,) = made_images(1, seed=5)
    assert all(np.isfinite(x).all() for x in session(model.SerializeToString()).run(None, {"images": image}))


def test_the_yaml_takes_every_default_from_int8s():
    overrides = ["quantization=int8_fp16", "export.opset=19", "backend=tensorrt"]
    chosen = check(compose(["+recipe=yolo_nas_s", *overrides])).quantization
    assert isinstance(chosen, Int8Fp16) and chosen == Int8Fp16()


def test_a_node_without_inputs_is_no_obstacle(quantized):
    """An exporter that optimizes nothing leaves constants as nodes."""
    given = task()
    value = given.core.graph.initializer.pop()
    given.core.graph.node.insert(0, onnx.helper.make_node("Constant", [], [value.name], "constant", value=value))
    (image,) = made_images(1, seed=5)
    models = (Int8Fp16().quantize(given).model, quantized.model)
    got, want = (session(each.SerializeToString()).run(None, {"images": image}) for each in models)
    for one, other in zip(got, want, strict=True):
        np.testing.assert_array_equal(one, other)
