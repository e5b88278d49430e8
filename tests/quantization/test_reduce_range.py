"""Seven bits for weights: what is stored, and a choice that is what was measured."""

import numpy as np
import pytest
from onnx import helper

from exporter.quantization.int8 import Int8
from exporter.quantization.sensitivity import damage
from exporter.quantization.task import Task
from tests.quantization.networks import Builder, constants, pictures, relative_error, run


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


def quantize(model, **fields):
    task = Task(model, pictures=pictures(4), input_range=(0.0, 1.0))
    return Int8(bias_correction=False, **fields).quantize(task)


@pytest.mark.parametrize("reduced, largest", [(False, 127), (True, 64)])
def test_what_is_stored(reduced, largest):
    model, summary, _ = quantize(network(), reduce_range=reduced)
    assert summary["reduce_range"] == {"chosen": reduced, "error": None}
    assert summary["largest_weight"] == np.abs(constants(model)["b.conv.weight/quantized"].astype(int)).max() == largest
    for expected, got in zip(run(network(), pictures(1)[0]), run(model, pictures(1)[0]), strict=True):
        assert relative_error(expected, got) < 0.05


@pytest.mark.parametrize("scheme, largest", [("u8s8", 64), ("s8s8", 127)])
def test_auto_is_safe_on_every_processor_and_nothing_is_lost_where_nothing_saturates(scheme, largest):
    _, summary, _ = Int8().quantize(Task(network(), pictures=pictures(4), input_range=(0.0, 1.0), scheme=scheme))
    assert summary["reduce_range"] == {"chosen": scheme == "u8s8", "error": None}
    assert summary["largest_weight"] == largest


def saturates(weights: np.ndarray) -> bool:
    """Whether two products with bytes can be more than 16 bits hold, which is how AVX2 adds them up (vpmaddubsw)."""
    positive, negative = (
        np.sort(np.maximum(sign * weights.reshape(len(weights), -1).astype(int), 0)) for sign in (1, -1)
    )
    return max(255 * positive[:, -2:].sum(1).max(), 255 * negative[:, -2:].sum(1).max()) >= 2**15


def test_by_default_no_pair_of_weights_can_saturate():
    stored = {choice: quantize(network(), reduce_range=choice).model for choice in ("auto", False)}
    names = [name for name in constants(stored["auto"]) if name.endswith("conv.weight/quantized")]
    assert names
    assert not any(saturates(constants(stored["auto"])[name]) for name in names)
    assert any(saturates(constants(stored[False])[name]) for name in names)


@pytest.mark.parametrize("steps", [None, 64, 127])
def test_measure_takes_what_measured_better_and_says_by_how_much(steps):
    core = network(steps)
    model, summary, _ = quantize(core, reduce_range="measure")
    full, reduced = (quantize(core, reduce_range=choice).model for choice in (False, True))
    measured = summary["reduce_range"]
    assert measured["error"] == {"full": error(core, full), "reduced": error(core, reduced)}
    assert measured["chosen"] == (measured["error"]["reduced"] < measured["error"]["full"])
    assert model == (reduced if measured["chosen"] else full)
    if steps == 64:  # exact in seven bits, rounded in eight: so on every processor
        assert measured["chosen"]


def error(core, model) -> float:
    """One picture at a time, without the exporter's own way of running them."""
    from exporter.proof.tensors import Tensors

    def outputs(graph):
        for image in pictures(4):
            boxes, scores = run(graph, image)
            yield Tensors(boxes[0], scores[0], None)

    return damage(outputs(core), outputs(model))
