"""The arithmetic of Q/DQ, against numbers worked out another way and against ONNX Runtime."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from exporter.quantization.scheme import (
    FULL_RANGE,
    PAIR_RANGE,
    S8S8,
    SCHEMES,
    U8S8,
    activation,
    bias,
    pair_floor,
    weight,
    weight_floor,
)
from tests.quantization.networks import run


def fake_quantized(x, scale, zero_point):
    """What ONNX says of QuantizeLinear and DequantizeLinear, element by element and in exact arithmetic."""
    limits = np.iinfo(zero_point.dtype)
    result = []
    for value in x.ravel().tolist():
        quotient = float(np.float32(value) / scale)
        whole = int(np.floor(quotient))
        rest = quotient - whole
        integer = whole + (rest > 0.5 or (rest == 0.5 and whole % 2 == 1)) + int(zero_point)  # half to even
        result.append((min(max(integer, limits.min), limits.max) - int(zero_point)) * float(scale))
    return np.array(result, np.float32).reshape(x.shape)


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
@pytest.mark.parametrize("low, high", [(0, 1), (0, 6.3), (-2, 2), (-0.31, 4.7), (-5, 0), (1, 2)])
def test_onnxruntime_rounds_and_saturates_as_the_reference(scheme, low, high):
    scale, zero_point = activation(low, high, scheme)
    halves = (np.arange(-300, 300, dtype=np.float64) + 0.5) * np.float64(scale)
    x = np.concatenate([halves, np.random.default_rng(0).uniform(2 * low - 1, 2 * high + 1, 600)]).astype(np.float32)
    nodes = [helper.make_node("QuantizeLinear", ["images", "s", "z"], ["q"]),
             helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"])]  # fmt: skip
    shape = [len(x)]
    graph = helper.make_graph(
        nodes, "pair", [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(scale, "s"), numpy_helper.from_array(zero_point, "z")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    (y,) = run(model, x)
    np.testing.assert_array_equal(y, fake_quantized(x, scale, zero_point))


def test_activations_cover_their_range_and_hold_zero_exactly():
    for low, high in [(-0.31, 4.7), (-3, 1), (2, 3), (-3, -2)]:
        scale, zero_point = activation(low, high, U8S8)
        assert scale.dtype == np.float32 and zero_point.dtype == np.uint8 and scale.shape == zero_point.shape == ()
        assert scale * (0 - float(zero_point)) <= min(low, 0) + scale / 2
        assert scale * (255 - float(zero_point)) >= max(high, 0) - scale / 2
        scale, zero_point = activation(low, high, S8S8)
        assert zero_point == 0 and zero_point.dtype == np.int8
        assert scale * 127 == pytest.approx(max(abs(low), abs(high)))


def test_a_byte_over_255_is_its_own_integer():
    scale, zero_point = activation(0.0, 1.0, U8S8)
    assert scale == np.float32(1 / 255) and zero_point == 0


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
@pytest.mark.parametrize("extent", [(0, 0), (0, 1e-40), (-1e-45, 0)])
def test_a_range_without_extent_keeps_zero(scheme, extent):
    scale, zero_point = activation(*extent, scheme)
    assert scale == 1 and zero_point == 0


@pytest.mark.parametrize("axis", [0, 1])
def test_weights_have_a_scale_for_each_channel(axis):
    values = np.random.default_rng(0).normal(size=(6, 5, 3, 3)).astype(np.float32)
    values = values * np.logspace(-3, 3, values.shape[axis]).reshape([-1 if i == axis else 1 for i in range(4)])
    integers, scale = weight(values.astype(np.float32), axis)
    assert integers.dtype == np.int8 and scale.shape == (values.shape[axis],)
    for c in range(values.shape[axis]):
        channel, whole = values.take(c, axis), integers.take(c, axis)
        assert np.abs(whole).max() == 127
        np.testing.assert_allclose(whole * float(scale[c]), channel, atol=float(scale[c]) * 0.501)


def test_a_dead_channel_keeps_its_bias():
    values, offsets = np.ones((3, 4, 1, 1), np.float32), np.array([0.3, 1e6, 0.0], np.float32)
    values[1] = values[2] = 0
    input_scale = np.float32(0.02)
    integers, scale = weight(values, 0, weight_floor(offsets, input_scale))
    stored, bias_scale = bias(offsets, input_scale, scale)
    assert stored.dtype == np.int32 and not integers[1:].any()
    np.testing.assert_allclose(stored * bias_scale.astype(np.float64), offsets, rtol=1e-3)
    assert np.abs(stored.astype(np.int64)).max() <= 2**30 + 2**7  # room for the products in the accumulator


def test_one_scale_for_all_weights_is_that_of_the_largest():
    values = np.random.default_rng(0).normal(size=(6, 5, 3, 3)).astype(np.float32)
    integers, scale = weight(values, None)
    assert scale.shape == () and scale == np.float32(np.abs(values).max() / FULL_RANGE)
    assert np.abs(integers).max() == FULL_RANGE
    np.testing.assert_allclose(integers * float(scale), values, atol=float(scale) * 0.501)


def test_a_pair_at_the_limit_fits_into_16_bits_and_one_more_does_not():
    assert 255 * PAIR_RANGE < 2**15 <= 255 * (PAIR_RANGE + 1)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.tuples(*[st.integers(1, 6)] * 2, *[st.integers(1, 3)] * 2), st.sampled_from([0, 1, None]),
    st.sampled_from([1.0, 1e-6, 1e6]),
)  # fmt: skip
def test_no_pair_saturates_wherever_counting_begins(seed, shape, axis, size):
    values = np.random.default_rng(seed).standard_t(2, shape).astype(np.float32) * np.float32(size)
    integers, scale = weight(values, axis, pair_floor(values, axis))
    outputs = axis or 0
    for channel in range(shape[outputs]):
        own = integers[channel] if outputs == 0 else integers[:, channel]
        ordered = own.astype(int).transpose(1, 2, 0).ravel()  # rows, columns, input channels
        for pair in pairwise(ordered):
            assert abs(255 * sum(max(each, 0) for each in pair)) < 2**15
            assert abs(255 * sum(min(each, 0) for each in pair)) <= 2**15
    # No coarser than it has to be: at half the bound everything fits, so no scale is more than twice the full one.
    full = weight(values, axis)[1]
    assert (scale <= 2.01 * full * FULL_RANGE / (PAIR_RANGE - 1)).all() and (scale >= full).all()
