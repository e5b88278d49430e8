"""Weights that no processor gets wrong: what is stored, and a choice that is what was measured."""

import numpy as np
import onnxruntime as ort
import pytest
from onnx import helper

from exporter.quantization.error import quantization_error
from exporter.quantization.int8 import Int8
from exporter.quantization.task import Task
from exporter.runtime.openvino import OpenVinoEngine
from tests.quantization.networks import Builder, constants, made_images, relative_error, run


def network(steps: int | None = None):
    """Outputs as the contract has them. With `steps` the weights of all layers are whole multiples of one step, that
    often in the largest: no rounding to so many steps changes them."""
    b = Builder(size=16, seed=4)
    features = b.conv_relu("a", "images", 3, 8)
    features = b.conv_relu("b", features, 8, 8)
    boxes = b.add("Relu", "boxes", b.conv("boxes.conv", features, 8, 4, kernel=1))
    scores = b.add("Sigmoid", "scores", b.conv("scores.conv", features, 8, 5, kernel=1))
    b.weight("rows", np.array([0, 0, -1]))
    for name, value in (("boxes", boxes), ("scores", scores)):
        rows = b.add("Reshape", f"{name}.rows", value, "rows", allowzero=0)
        b.nodes.append(helper.make_node("Transpose", [rows], [name], f"{name}/Transpose", perm=[0, 2, 1]))
    if steps:
        for name in ("a.conv.weight", "b.conv.weight"):
            largest = np.abs(b.weights[name]).max(axis=(1, 2, 3), keepdims=True)
            b.weights[name] = np.rint(b.weights[name] / largest * steps).astype(np.float32) * (largest / steps)
    return b.model("boxes", "scores")


def in_openvino(model, image):
    return OpenVinoEngine().session(model.SerializeToString()).run(None, {"images": image})


def quantize(model, **fields):
    task = Task(model, images=made_images(4), input_range=(0.0, 1.0))
    return Int8(bias_correction=False, **fields).quantize(task)


@pytest.mark.parametrize("reduced", [False, True])
def test_what_is_stored(reduced):
    model, summary, _ = quantize(network(), reduce_range=reduced)
    stored = np.abs(constants(model)["b.conv.weight/quantized"].astype(int))
    assert summary.reduce_range.model_dump() == {"chosen": reduced, "error": None}
    assert summary.largest_weight <= 127 and stored.max((1, 2, 3)).min() >= 63  # two of them are a pair at most
    assert (stored.max((1, 2, 3)) == 127).all() == (not reduced)
    for expected, got in zip(run(network(), made_images(1)[0]), run(model, made_images(1)[0]), strict=True):
        assert not reduced or relative_error(expected, got) < 0.05


@pytest.mark.parametrize("scheme", ["u8s8", "s8s8"])
def test_auto_is_safe_on_every_processor_and_nothing_is_lost_where_nothing_saturates(scheme):
    model, summary, _ = Int8().quantize(Task(network(), images=made_images(4), input_range=(0.0, 1.0), scheme=scheme))
    assert summary.reduce_range.model_dump() == {"chosen": scheme == "u8s8", "error": None}
    stored = np.abs(constants(model)["b.conv.weight/quantized"].astype(int))
    assert (stored.max((1, 2, 3)) == 127).all() == (scheme == "s8s8")


@pytest.mark.parametrize("choice", ["auto", True])
def test_nothing_saturates_in_onnx_runtime(choice):
    """Bit for bit what it computes where it is told to take no 16 bits, on any processor; white images are the worst
    there are."""
    model = quantize(network(), reduce_range=choice).model
    quick, exact = (run_with(model, mode) for mode in ("0", "1"))
    for image in [*made_images(4), np.ones_like(made_images(1)[0])]:
        for one, other in zip(quick(image), exact(image), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("engine", [run, in_openvino])
@pytest.mark.parametrize("multiplier", [1, 2])
def test_a_depthwise_convolution_keeps_its_full_weights_and_does_not_saturate(multiplier, engine):
    """Equal weights on white images are the worst there are. With two output channels for one of the input, engines compute
    as everywhere else, and the weights are small."""
    b = Builder(size=16)
    features = b.conv_relu("a", "images", 3, 8)
    inner = b.conv_relu("b", features, 1, 8 * multiplier, group=8)
    b.weights["b.conv.weight"][:] = 0.25
    core = b.model(b.conv("last", inner, 8 * multiplier, 4, kernel=1))
    model = quantize(core, reduce_range=True).model
    stored = np.abs(constants(model)["b.conv.weight/quantized"].astype(int))
    assert stored.min() == (127 if multiplier == 1 else 64)
    white = np.ones_like(made_images(1)[0])
    (exact,) = run(model, white, optimize=False)  # in float, which holds these integers
    (got,) = engine(model, white)
    assert relative_error(exact, got) < 0.01


def run_with(model, precise):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry("session.x64quantprecision", precise)
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda image: session.run(None, {session.get_inputs()[0].name: image})


@pytest.mark.parametrize("steps", [None, 127])
def test_measure_takes_what_measured_better_and_says_by_how_much(steps):
    core = network(steps)
    model, summary, _ = quantize(core, reduce_range="measure")
    full, reduced = (quantize(core, reduce_range=choice).model for choice in (False, True))
    measured = summary.reduce_range
    assert measured.error == {"full": error(core, full), "reduced": error(core, reduced)}
    assert measured.chosen == (measured.error["reduced"] < measured.error["full"])
    assert model == (reduced if measured.chosen else full)


def error(core, model) -> float:
    """One image at a time, without the exporter's own way of running them."""
    from exporter.proof.tensors import Tensors

    def outputs(graph):
        for image in made_images(4):
            boxes, scores = run(graph, image)
            yield Tensors(boxes[0], scores[0], None)

    return quantization_error(outputs(core), outputs(model))
