"""Random small networks: whatever the structure, INT8 is finite, close to FP32 and reads integers everywhere."""

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.quantization.int8 import Int8
from exporter.quantization.task import Task
from tests.quantization.networks import Builder, made_images, relative_error, run

OPERATORS = (
    "conv",
    "conv_relu",
    "conv_silu",
    "relu",
    "max_pool",
    "add",
    "concat",
    "gain",
    "up_down",
    "sigmoid",
    "average_pool",
)


@st.composite
def networks(draw) -> onnx.ModelProto:
    b = Builder(size=8, seed=draw(st.integers(0, 2**16)))
    values = [(b.conv_relu("stem", "images", 3, 8), 8)]
    for i, operator in enumerate(draw(st.lists(st.sampled_from(OPERATORS), min_size=1, max_size=6))):
        name = f"layer{i}"
        value, channels = draw(st.sampled_from(values))
        if operator in ("conv", "conv_relu", "conv_silu"):
            value, channels = getattr(b, operator)(name, value, channels, 8, kernel=draw(st.sampled_from([1, 3]))), 8
        elif operator in ("relu", "sigmoid"):
            value = b.add(operator.capitalize(), name, value)
        elif operator in ("max_pool", "average_pool"):
            kind = {"max_pool": "MaxPool", "average_pool": "AveragePool"}[operator]
            value = b.add(kind, name, value, kernel_shape=[3, 3], pads=[1] * 4, strides=[1, 1])
        elif operator == "up_down":
            up = b.upsample(f"{name}.up", value, channels, 8)
            value, channels = b.conv_relu(f"{name}.down", up, 8, 8, strides=[2, 2]), 8
        elif operator == "concat":
            other, more = draw(st.sampled_from(values))
            value, channels = b.add("Concat", name, value, other, axis=1), channels + more
        else:  # a sum, of one with a gain perhaps
            others = [v for v, c in values if c == channels]
            other = draw(st.sampled_from(others))
            if operator == "gain":
                alpha = b.weight(f"{name}.alpha", np.float32([draw(st.sampled_from([0.3, 1.7, -0.8]))]))
                other = b.add("Mul", name, alpha, other)
            value = b.add("Add", name, value, other)
        values.append((value, channels))
    value, channels = values[-1]
    return b.model(b.conv("last", value, channels, 4))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(networks(), st.sampled_from(["u8s8", "s8s8"]), st.sampled_from(["minmax", "mse"]), st.booleans(), st.booleans(),
       st.booleans())  # fmt: skip
def test_int8_is_close_to_float_whatever_the_network(model, scheme, method, per_channel, bias_correction, fused):
    images = made_images(2, 8)
    task = Task(model, images=images, method=method, scheme=scheme, fused=fused, input_range=(0.0, 1.0))
    quantized, summary, _ = Int8(per_channel=per_channel, bias_correction=bias_correction).quantize(task)
    onnx.checker.check_model(quantized, full_check=True)
    assert summary.convolutions.left_in_float == ["last/Conv"]
    # Symmetric files are for TensorRT, which does not saturate; on a CPU without VNNI ONNX Runtime does, see README.
    (expected,), (got,), (plain,) = (
        run(model, images[0]), run(quantized, images[0], exact=scheme == "s8s8"), run(quantized, images[0], optimize=False),
    )  # fmt: skip
    assert np.isfinite(got).all()
    bound = 0.08 if scheme == "u8s8" else 0.12
    assert relative_error(expected, plain) < bound
    assert relative_error(expected, got) < bound
