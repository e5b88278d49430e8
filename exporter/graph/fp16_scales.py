"""Rounds the scales of Q/DQ pairs to float16, so that what lies between the pairs can be float16 too: strongly typed,
DequantizeLinear gives what its scale is.

float16 has 11 digits (binary) down to 6e-5 and fewer below. Integers of weights are counted again in the rounded unit;
that changes them only where a scale was raised to `SMALLEST`, which a network's weights hardly ever call for.
"""

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir

SMALLEST = 2.0**-18
"""Below, a float16 has less than seven digits: a scale would be wrong by more than the integers round."""


def round_scales(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of a quantized graph (see `quantization.qdq`) whose scales, still float32, are numbers of float16; those
    that are `beyond_fp16` are left: their pairs have to stay in float32."""
    rounded = ir.from_proto(model)
    done: dict[ir.Value, np.ndarray] = {}
    for node in rounded.graph:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            continue
        integers, scale = node.inputs[0], node.inputs[1]
        assert scale is not None and scale.const_value is not None and integers is not None
        if beyond_fp16(scale.const_value.numpy()):
            continue
        if scale not in done:
            done[scale] = scale.const_value.numpy()
            _set(scale, np.maximum(done[scale].astype(np.float16), np.float16(SMALLEST)).astype(np.float32))
        if integers.const_value is not None:
            shape = [-1 if i == _axis(node) else 1 for i in range(len(integers.const_value.shape))]
            ratio = done[scale].astype(np.float64) / scale.const_value.numpy()
            values = integers.const_value.numpy() * (ratio.reshape(shape) if ratio.ndim else ratio)
            _set(integers, np.clip(np.rint(values), -127, 127).astype(np.int8))
    return ir.to_proto(rounded)


def beyond_fp16(scale: np.ndarray) -> bool:
    """Whether float16 has no number as large as some scale."""
    return bool(np.max(scale, initial=0) > np.finfo(np.float16).max)


def has_fp16_scales(model: bytes | Path) -> bool:
    """Whether a serialized graph or file has Q/DQ pairs in float16."""
    content = model if isinstance(model, bytes) else model.read_bytes()
    if b"QuantizeLinear" not in content:
        return False
    graph = onnx.load_from_string(content).graph
    fp16 = {tensor.name for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT16}
    return any(node.op_type == "QuantizeLinear" and fp16.intersection(node.input[1:2]) for node in graph.node)


def _axis(node: ir.Node) -> int:
    return node.attributes["axis"].as_int() if "axis" in node.attributes else 1


def _set(value: ir.Value, array: np.ndarray) -> None:
    value.const_value = ir.tensor(array, name=value.name)
