"""The node from end to end, on YOLO-NAS-S and on a small network."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import yaml

from exporter.common.errors import BuildError, RequestError
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.quantization.int8 import Int8
from exporter.quantization.none import NoQuantization
from exporter.quantization.summary import summarize
from exporter.quantization.task import Task
from tests.making import traced
from tests.quantization.networks import Builder, constants, detector, made_images, relative_error, run

CONF = Path(__file__).parents[2] / "conf" / "quantization"


def quantize(core, images=None, node=None, **arguments):
    arguments = {"method": "minmax", "scheme": "u8s8", "input_range": (0.0, 1.0)} | arguments
    return (node or Int8()).quantize(Task(core, images=made_images(3) if images is None else images, **arguments))


@pytest.fixture(scope="module")
def core():
    return traced(check(compose(["+recipe=yolo_nas_s", "input.size=96"])))


@pytest.fixture(scope="module")
def yolo_nas(core):
    return quantize(core, made_images(4, 96))


def test_the_summary_counts_what_is_in_the_graph(yolo_nas):
    model, summary, _ = yolo_nas
    predictions = [f"heads.head{i}.{kind}_pred/Conv" for i in (1, 2, 3) for kind in ("reg", "cls")]
    assert summary.convolutions.model_dump() == {"int8": 94, "float": 6, "left_in_float": predictions}
    assert (summary.scheme, summary.activations, summary.weights) == ("u8s8", ["uint8"], ["int8"])
    assert summary.quantize_linear == sum(node.op_type == "QuantizeLinear" for node in model.graph.node)
    assert (summary.weight_scales, summary.largest_weight) == (["per channel"], 127)
    assert summary.always_zero == []
    onnx.checker.check_model(model, full_check=True)


def test_onnxruntime_runs_the_whole_trunk_on_integers(yolo_nas, tmp_path):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    ort.InferenceSession(yolo_nas.model.SerializeToString(), options)
    kinds = [node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node]
    count = {kind: kinds.count(kind) for kind in set(kinds)}
    assert (count["QLinearConv"], count["QLinearAdd"], count["QLinearConcat"]) == (94, 20, 13)
    assert count["Conv"] == count["DequantizeLinear"] == 6 and count["QuantizeLinear"] == 1
    assert not {"Mul", "Relu", "FusedConv", "ConvTranspose", "QLinearMul"} & set(kinds)


def test_close_to_float(core, yolo_nas):
    (image,) = made_images(1, 96, seed=9)
    for expected, got in zip(run(core, image)[:2], run(yolo_nas.model, image)[:2], strict=True):
        assert relative_error(expected, got) < 0.05


def test_the_bytes_of_an_image_are_the_quantized_input(yolo_nas):
    stored = constants(yolo_nas.model)
    assert stored["images/scale"] == np.float32(1 / 255) and stored["images/zero_point"] == 0
    every_byte = np.arange(256, dtype=np.float32) / np.float32(255)
    np.testing.assert_array_equal(np.rint(every_byte / stored["images/scale"]), np.arange(256))


@pytest.mark.parametrize("method", ["minmax", "moving_average", "percentile", "mse", "entropy"])
@pytest.mark.parametrize("scheme", ["u8s8", "s8s8"])
def test_every_method_and_scheme_stays_close(method, scheme):
    model = detector()
    quantized = quantize(model, made_images(8), method=method, scheme=scheme)
    for expected, got in zip(run(model, made_images(8)[0]), run(quantized.model, made_images(8)[0]), strict=True):
        assert relative_error(expected, got) < 0.05


def test_tensorrt_keeps_its_transposed_convolution():
    model, summary, _ = quantize(detector(), scheme="s8s8")
    assert "ConvTranspose" in {node.op_type for node in model.graph.node}
    assert summary.activations == summary.weights == ["int8"]


def test_an_upsampling_that_has_no_integer_form_stays_in_float():
    b = Builder()
    up = b.upsample("up", b.conv_relu("stem", "images", 3, 8), 8, 8, kernel=3, strides=[2, 2])
    model = b.model(b.conv("last", b.conv_relu("next", up, 8, 8), 8, 4))
    quantized = quantize(model)
    assert quantized.summary.convolutions.left_in_float == ["up/ConvTranspose", "last/Conv"]
    assert relative_error(run(model, made_images(1)[0])[0], run(quantized.model, made_images(1)[0])[0]) < 0.03
    with pytest.raises(
        RequestError, match=r"transposed convolutions \(up/ConvTranspose\), which no engine of scheme u8s8"
    ):
        quantize(model, node=Int8(include=("up",)))


def test_attention_stays_on_integers(tmp_path):
    b = Builder()
    x = b.conv_relu("stem", "images", 3, 8)
    mean = b.add("ReduceMean", "attention", x, b.weight("axes", np.array([2, 3], np.int64)))
    scaled = b.add("Mul", "attention", x, b.add("Sigmoid", "attention", b.conv("attention.fc", mean, 8, 8, 1)))
    model = b.model(b.conv("last", b.conv_relu("next", scaled, 8, 8), 8, 4))
    quantized = quantize(model, node=Int8()).model
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    ort.InferenceSession(quantized.SerializeToString(), options, providers=["CPUExecutionProvider"])
    kinds = {node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node}
    assert "QLinearGlobalAveragePool" in kinds and "ReduceMean" not in kinds
    assert relative_error(run(model, made_images(1)[0])[0], run(quantized, made_images(1)[0])[0]) < 0.03


def test_patterns_decide_and_are_recorded():
    node = Int8(exclude=("backbone.stem", "neck.up/*"))
    summary = quantize(detector(), node=node).summary
    assert summary.exclude["backbone.stem"] == ["backbone.stem.conv/Conv", "backbone.stem/Relu"]
    assert {"backbone.stem.conv/Conv", "neck.up/ConvTranspose"} < set(summary.convolutions.left_in_float)
    everything = quantize(detector(), node=Int8(include=("*",))).summary
    assert everything.convolutions.float == 0
    with pytest.raises(RequestError, match=r"quantization\.include: 'nek' matches no layer; near ones: neck"):
        quantize(detector(), node=Int8(include=("nek",)))


def test_operators_are_patterns_too():
    summary = quantize(detector(), node=Int8(exclude=("ConvTranspose", "Concat"))).summary
    assert summary.exclude == {
        "ConvTranspose": ["neck.up/ConvTranspose"],
        "Concat": ["backbone.spp/Concat", "neck/Concat"],
    }
    assert "neck.up/ConvTranspose" in summary.convolutions.left_in_float
    only = quantize(detector(), node=Int8(include=("ConvTranspose",))).summary
    assert only.convolutions.int8 == 1


def test_the_first_and_the_last_layers_stay_in_float():
    node = Int8(first_n=1, last_n=2, exclude=("backbone.block.cv1",))
    model, summary, _ = quantize(detector(), node=node)
    first, last = ["backbone.stem.conv/Conv"], ["neck.up/ConvTranspose", "heads.stem.conv/Conv"]
    assert (summary.first_n, summary.last_n) == (first, last)
    predictions = ["heads.reg_pred/Conv", "heads.cls_pred/Conv"]
    assert summary.convolutions.left_in_float == [*first, "backbone.block.cv1.conv/Conv", *last, *predictions]
    assert "ConvTranspose" in {node.op_type for node in model.graph.node}  # not rewritten for integers in vain
    assert "images/quantized" not in {output for node in model.graph.node for output in node.output}
    with pytest.raises(RequestError, match=r"first_n=9: 6 layers would be quantized"):
        quantize(detector(), node=Int8(first_n=9))


@pytest.mark.parametrize("scheme", ["u8s8", "s8s8"])
def test_weights_may_share_one_scale(scheme):
    model, summary, _ = quantize(detector(), node=Int8(per_channel=False), scheme=scheme)
    assert summary.weight_scales == ["per tensor"]
    shapes = [array.shape for name, array in constants(model).items() if ".weight" in name and name.endswith("/scale")]
    assert shapes == [()] * 6
    onnx.checker.check_model(model, full_check=True)
    for expected, got in zip(run(detector(), made_images(3)[0]), run(model, made_images(3)[0]), strict=True):
        assert relative_error(expected, got) < 0.05


@pytest.mark.parametrize("method", ["minmax", "percentile", "mse", "entropy"])
def test_the_order_of_the_images_changes_no_byte(method):
    images = made_images(5)
    one, other = (quantize(detector(), order, method=method).model for order in (images, images[::-1]))
    assert one.SerializeToString(deterministic=True) == other.SerializeToString(deterministic=True)


def test_images_beyond_the_inputs_range_are_refused():
    with pytest.raises(RequestError, match=r"values from 1\.5\d* to 249\.\d*, the network's input goes from 0 to 1"):
        quantize(detector(), [image * np.float32(255) for image in made_images(2)])


def test_without_a_range_the_input_takes_what_the_images_hold():
    images = [image * np.float32(4) - np.float32(2) for image in made_images(2)]
    stored = constants(quantize(detector(), images, input_range=None).model)
    extent = max(i.max() for i in images) - min(i.min() for i in images)
    assert stored["images/scale"] == pytest.approx(extent / 255, rel=1e-4) and stored["images/zero_point"] > 100


def test_layers_that_are_always_zero_are_listed():
    b = Builder()
    stem = b.conv_relu("stem", "images", 3, 8)
    b.weights["stem.conv.bias"][:] = -100
    quantized = quantize(b.model(b.conv("last", b.conv_relu("next", stem, 8, 8), 8, 4)))
    assert quantized.summary.always_zero == ["stem/Relu"]
    assert np.isfinite(run(quantized.model, made_images(1)[0])[0]).all()


def test_broken_weights_name_their_layer():
    b = Builder()
    model_input = b.conv_relu("stem", "images", 3, 8)
    second = b.conv_relu("second", model_input, 8, 8)
    b.weights["second.conv.weight"][0, 0, 0, 0] = np.nan
    with pytest.raises(BuildError, match="layer second/Relu"):
        quantize(b.model(b.conv("last", second, 8, 4)))


@pytest.mark.parametrize("batch", ["batch", 2])
def test_the_core_is_not_changed_and_its_interface_is_kept(batch):
    model = detector(batch=batch)
    before = model.SerializeToString(deterministic=True)
    quantized = quantize(model).model
    assert model.SerializeToString(deterministic=True) == before
    assert list(quantized.graph.input) == list(model.graph.input)
    assert [output.name for output in quantized.graph.output] == [output.name for output in model.graph.output]
    two = np.concatenate(made_images(2))
    for expected, got in zip(run(model, two), run(quantized, two), strict=True):
        assert relative_error(expected, got) < 0.03


def test_two_processes_give_the_same_bytes():
    program = "from tests.quantization.test_int8 import digests; print(digests())"
    other = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONHASHSEED": "1"}, cwd=CONF.parents[1], capture_output=True, check=True
    )  # fmt: skip
    assert other.stdout.decode().strip() == digests()


def digests() -> str:
    made = [quantize(detector(), method=method) for method in ("minmax", "entropy")]
    return repr([(hashlib.sha256(each.model.SerializeToString()).hexdigest(), each.summary) for each in made])


def test_without_quantization_the_core_is_as_it_was():
    model = detector()
    assert NoQuantization().quantize(Task(model)).model is model
    assert summarize(model).convolutions.int8 == 0


@pytest.mark.parametrize("name, node", [("none", NoQuantization), ("int8", Int8)])
def test_the_yaml_holds_every_field_with_its_default(name, node):
    written = yaml.safe_load((CONF / f"{name}.yaml").read_text(encoding="utf-8"))
    assert written.pop("_target_") == f"exporter.quantization.{node.__name__}"
    assert written == node().model_dump(mode="json")
