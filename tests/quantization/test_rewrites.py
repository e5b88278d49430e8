"""Rewrites that must not change what is computed."""

import numpy as np
import pytest

from exporter.graph.align_channels import align_channels
from exporter.graph.pooling import as_pooling
from exporter.graph.upsample import as_convolutions
from exporter.quantization.qdq import insert, tensors_with_pairs
from exporter.quantization.scheme import U8S8
from tests.quantization.networks import Builder, constants, made_images, run


@pytest.mark.parametrize("kernel", [2, 3])
def test_upsampling_is_a_convolution_and_a_shuffle(kernel):
    b = Builder()
    up = b.upsample("neck.up", b.conv_relu("stem", "images", 3, 8), 8, 5, kernel)
    model = b.model(b.add("Relu", "out", up), up)
    before = model.SerializeToString(deterministic=True)
    rewritten, left = as_convolutions(model, ["neck.up/ConvTranspose"])
    assert not left and [n.op_type for n in rewritten.graph.node] == ["Conv", "Relu", "Conv", "DepthToSpace", "Relu"]
    assert [n.name for n in rewritten.graph.node][2:4] == [
        "neck.up/ConvTranspose",
        "neck.up/ConvTranspose/DepthToSpace",
    ]
    assert rewritten.graph.node[3].output[0] == "neck.up/ConvTranspose" and "neck.up.weight" not in constants(rewritten)
    for expected, got in zip(run(model, made_images(1)[0]), run(rewritten, made_images(1)[0]), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-5)
    assert model.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize(
    "attributes",
    [{"strides": [1, 1]}, {"pads": [1, 0, 0, 0]}, {"output_padding": [1, 1]}, {"group": 2}, {"dilations": [2, 2]}],
)
def test_upsampling_with_windows_that_overlap_is_left_and_named(attributes):
    b = Builder()
    model = b.model(b.upsample("neck.up", b.conv_relu("stem", "images", 3, 8), 8, 5, **attributes))
    rewritten, left = as_convolutions(model, ["neck.up/ConvTranspose"])
    assert left == ["neck.up/ConvTranspose"] and [n.op_type for n in rewritten.graph.node][-1] == "ConvTranspose"


@pytest.mark.parametrize(
    ("axes", "keepdims", "pooled"),
    [([2, 3], 1, True), ([-1, -2], 1, True), ([2, 3], 0, False), ([3], 1, False), ([1, 2], 1, False), (None, 1, False)],
)
def test_a_mean_over_the_image_is_a_pooling(axes, keepdims, pooled):
    b = Builder()
    given = [b.weight("axes", np.array(axes, np.int64))] if axes else []
    mean = b.add("ReduceMean", "attention", b.conv_relu("stem", "images", 3, 8), *given, keepdims=keepdims)
    model = b.model(b.add("Relu", "out", mean), mean)
    rewritten = as_pooling(model)
    assert [n.op_type for n in rewritten.graph.node][2] == ("GlobalAveragePool" if pooled else "ReduceMean")
    assert rewritten.graph.node[2].name == "attention/ReduceMean" and ("axes" in constants(rewritten)) == bool(
        axes and not pooled
    )
    for expected, got in zip(run(model, made_images(1)[0]), run(rewritten, made_images(1)[0]), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-6)


def test_aligned_channels_give_the_same_bits():
    b = Builder()
    stem = b.conv_relu("stem", "images", 3, 6)
    grouped = b.add("Conv", "grouped", stem, b.weight("g", b.rng.normal(size=(6, 1, 3, 3)).astype(np.float32)), group=6)
    model = b.model(b.conv("next", grouped, 6, 8), b.conv("other", "images", 3, 4))
    names = [node.name for node in model.graph.node]
    tensors = tensors_with_pairs(model, names)
    quantized = insert(model, names, {t: (0, 1) if t == "images" else (-3, 3) for t in tensors}, U8S8)
    aligned = align_channels(quantized)
    weights = {name: array.shape for name, array in constants(aligned).items() if array.ndim == 4}
    assert sorted(shape[1] for shape in weights.values()) == [1, 4, 4, 8]
    for expected, got in zip(run(quantized, made_images(1)[0]), run(aligned, made_images(1)[0]), strict=True):
        np.testing.assert_array_equal(got, expected)
    again = align_channels(aligned)
    assert list(again.graph.node) == list(aligned.graph.node)
