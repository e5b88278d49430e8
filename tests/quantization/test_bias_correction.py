"""What rounding weights shifts on average is taken back, against a mean over many images."""

import numpy as np
import onnx_ir as ir
import pytest

from exporter.quantization.bias_correction import correction
from exporter.quantization.int8 import Int8
from exporter.quantization.qdq import insert, tensors_with_pairs
from exporter.quantization.scheme import SCHEMES
from exporter.quantization.task import Task
from tests.quantization.networks import Builder, constants, detector, made_images, run


@pytest.mark.parametrize("group, strides", [(1, [2, 2]), (2, [2, 2]), (None, None)])  # None: ONNX's own, 1
@pytest.mark.parametrize("operator", ["Conv", "ConvTranspose"])
def test_the_mean_result_is_that_of_the_unrounded_weights(operator, group, strides):
    """By brute force: every output of a convolution that no border touches, averaged over images of one colour, in
    which every position of the kernel sees the mean."""
    rng = np.random.default_rng(0)
    b = Builder(size=8)
    shape = (6, 6 // (group or 1), 2, 2) if operator == "Conv" else (6, 4, 2, 2)
    weights = rng.normal(size=shape).astype(np.float32)
    error = rng.normal(0, 0.1, shape).astype(np.float32)
    first = b.conv("wide", "images", 3, 6, kernel=1)
    outputs = [
        b.add(operator, f"{name}.up", first, b.weight(f"{name}.w", array), group=group, strides=strides)
        for name, array in (("exact", weights), ("rounded", weights - error))
    ]
    model = b.model(first, *outputs)
    images = [np.full((1, 3, 8, 8), rng.random((1, 3, 1, 1)), np.float32) for _ in range(4)]
    read, exact, rounded = (np.stack(values) for values in zip(*(run(model, i) for i in images), strict=True))
    node = next(n for n in ir.from_proto(model).graph if n.op_type == operator and n.name.startswith("exact"))
    expected = (exact - rounded)[..., 1:-1, 1:-1].mean(axis=(0, 1, 3, 4))
    assert np.abs(expected).max() > 0.05
    got = correction(node, error, read.mean(axis=(0, 1, 3, 4), dtype=np.float64))
    np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("per_channel", [True, False])
def test_outputs_are_nearer_to_float_on_average(scheme, per_channel):
    b = Builder(size=32, seed=3)
    features = b.conv_relu("first", "images", 3, 16)
    for i in range(4):
        features = b.conv_relu(f"layer{i}", features, 16, 16)
    model = b.model(b.conv("last", features, 16, 8))
    images = made_images(8, 32)

    def shift(corrected: bool) -> float:
        node = Int8(bias_correction=corrected, per_channel=per_channel, reduce_range=True)
        quantized, summary, _ = node.quantize(Task(model, images=images, scheme=scheme, input_range=(0.0, 1.0)))
        assert summary.bias_correction is corrected
        errors = [run(quantized, i)[0] - run(model, i)[0] for i in made_images(8, 32, seed=5)]
        return float(np.abs(np.mean(errors, axis=(0, 1, 3, 4))).mean())

    assert shift(True) < 0.7 * shift(False)


def test_without_means_biases_are_those_of_the_network():
    model = detector()
    names = ["backbone.stem.conv/Conv", "backbone.stem/Relu"]
    ranges = dict.fromkeys(tensors_with_pairs(model, names), (0.0, 1.0))
    for scheme in SCHEMES.values():
        plain, zero = (
            constants(insert(model, names, ranges, scheme, means)) for means in (None, {"images": np.zeros(3)})
        )
        assert "backbone.stem.conv.bias/corrected" in zero or scheme.int32_bias
        name = "backbone.stem.conv.bias" + ("/quantized" if scheme.int32_bias else "")
        other = name if scheme.int32_bias else f"{name}/corrected"
        np.testing.assert_array_equal(plain[name], zero[other])
