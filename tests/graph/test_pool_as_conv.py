"""An AveragePool on integers as a depthwise convolution, against numpy's windows."""

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

from exporter.graph.came_quantized import mark
from exporter.graph.pool_as_conv import pool_as_conv
from exporter.quantization.summary import summarize
from tests.quantization.networks import operators

CHANNELS, SCALES = 3, (0.05, 0.04)


def graph(pool: str, after: str = "y = QuantizeLinear(p, so, zo)") -> onnx.ModelProto:
    model = onnx.parser.parse_model(f"""<ir_version: 8, opset_import: ["" : 18]>
        g (uint8[1,{CHANNELS},9,8] x) => ({"uint8" if "Quantize" in after else "float"}[1,{CHANNELS},h,w] y)
        <float si = {{{SCALES[0]}}}, uint8 zi = {{3}}, float so = {{{SCALES[1]}}}, uint8 zo = {{7}}>
        {{ d = DequantizeLinear(x, si, zi) p = AveragePool<{pool}>(d) {after} }}""")
    return onnx.shape_inference.infer_shapes(model)


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 2), st.integers(0, 1), st.integers(0, 99))
def test_means_of_windows(height, width, stride, counted, seed):
    pool = f"kernel_shape = [{height}, {width}], strides = [{stride}, {stride}], count_include_pad = {counted}"
    changed = pool_as_conv(graph(pool))
    assert operators(changed) == ["DequantizeLinear", "DequantizeLinear", "Conv", "QuantizeLinear"]
    onnx.checker.check_model(changed, full_check=True)
    x = np.random.default_rng(seed).integers(0, 256, (1, CHANNELS, 9, 8), dtype=np.uint8)
    windows = sliding_window_view((x.astype(np.float64) - 3) * SCALES[0], (height, width), axis=(2, 3))
    exact = windows[:, :, ::stride, ::stride].mean(axis=(-2, -1)) / SCALES[1] + 7
    session = onnxruntime.InferenceSession(changed.SerializeToString(), providers=["CPUExecutionProvider"])
    found = np.asarray(session.run(None, {"x": x})[0], np.float64)
    assert np.abs(found - np.clip(exact, 0, 255)).max() <= 0.5001  # it is rounded once


@pytest.mark.parametrize(
    "pool, after",
    [
        ("kernel_shape = [2, 2], pads = [1, 1, 0, 0]", "y = QuantizeLinear(p, so, zo)"),
        ("kernel_shape = [2, 2], strides = [2, 2], ceil_mode = 1", "y = QuantizeLinear(p, so, zo)"),
        ("kernel_shape = [2, 2], auto_pad = \"SAME_UPPER\"", "y = QuantizeLinear(p, so, zo)"),
        ("kernel_shape = [2, 2]", "y = Neg(p)"),  # in float, where ONNX Runtime is fast
        ("kernel_shape = [6, 5]", "y = QuantizeLinear(p, so, zo)"),  # a window of 30
    ],
)  # fmt: skip
def test_others_stay_as_they_are(pool, after):
    given = graph(pool, after)
    assert operators(pool_as_conv(given)) == operators(given)


def test_what_came_quantized_is_rounded_as_it_was():
    given = ir.from_proto(graph("kernel_shape = [2, 2]"))
    for node in given.graph:
        mark(node)
    assert "AveragePool" in operators(pool_as_conv(ir.to_proto(given)))


def test_it_is_not_counted_among_convolutions():
    changed = pool_as_conv(graph("kernel_shape = [2, 2]"))
    assert "Conv" in operators(changed) and summarize(changed).convolutions.int8 == 0
