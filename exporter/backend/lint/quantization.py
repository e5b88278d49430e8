"""Quantize and dequantize nodes: symmetric, signed, constant, and where TensorRT looks for them."""

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import TensorProto

from exporter.backend.lint.view import View, label, type_name
from exporter.graph.walk import attribute

UNSIGNED = (TensorProto.UINT8, TensorProto.UINT16, TensorProto.UINT4, TensorProto.UINT2)
TAKEN = (TensorProto.INT8, TensorProto.INT4, TensorProto.FLOAT8E4M3FN, TensorProto.FLOAT4E2M1)
OUTPUT_CHANNELS = {"Conv": 0, "ConvTranspose": 1}
"""The axis of the weights along which each scale holds."""


def asymmetric(view: View) -> Iterator[tuple[str, str]]:
    """Zero points that are not zero, or not known when the engine is built."""
    for node in _pairs(view):
        if zero_point := _input(node, 2):
            values = view.array(zero_point)
            if zero_point not in view.constants:
                yield label(node), f"the zero point {zero_point} is computed at run time"
            elif values is not None and np.any(values.astype(np.float32)):
                yield label(node), f"the zero point {zero_point} is not 0 but {_range(values)}"


def unsigned(view: View) -> Iterator[tuple[str, str]]:
    """Unsigned integers. Without a zero point ONNX quantizes to uint8 and TensorRT to int8."""
    for node in _pairs(view):
        kind = _integer_type(view, node)
        if kind is not None and kind in UNSIGNED:
            yield label(node), f"{node.op_type} of {type_name(kind)}"
        elif kind is None and node.op_type == "QuantizeLinear" and not attribute(node, "output_dtype", 0):
            yield label(node), "no zero point: ONNX reads that as uint8, TensorRT as int8"


def integer_type(view: View) -> Iterator[tuple[str, str]]:
    """Integers of other widths; biases have a rule of their own."""
    for node in _pairs(view):
        kind = _integer_type(view, node)
        if kind and kind not in (*TAKEN, *UNSIGNED) and not _feeds_bias(view, node):
            yield label(node), f"{node.op_type} of {type_name(kind)}"


def bias(view: View) -> Iterator[tuple[str, str]]:
    """Biases behind a DequantizeLinear."""
    for node in _pairs(view):
        if _feeds_bias(view, node):
            yield label(node), f"dequantizes the bias of {label(view.consumers[node.output[0]][0][0])}"


def scale(view: View) -> Iterator[tuple[str, str]]:
    """Scales that are not positive and finite, or not known when the engine is built."""
    for node in _pairs(view):
        name = _input(node, 1)
        if not name:
            yield label(node), "no scale"
        elif name not in view.constants:
            yield label(node), f"the scale {name} is computed at run time"
        else:
            values = view.array(name)
            if values is not None and not np.all(np.isfinite(v := values.astype(np.float32)) & (v > 0)):
                yield label(node), f"the scale {name} is not positive and finite: {_range(values)}"


def scale_type(view: View) -> Iterator[tuple[str, str]]:
    """From opset 19 on the parser leaves a QuantizeLinear's scale as it is; before, it casts it to the data's type."""
    for node in _pairs(view):
        data, own = view.types.get(_input(node, 0)), view.types.get(_input(node, 1))
        if node.op_type == "QuantizeLinear" and (view.opset or 0) >= 19 and data and own and data != own:
            yield label(node), f"quantizes {type_name(data)} with a scale of {type_name(own)}"


def activation_per_channel(view: View) -> Iterator[tuple[str, str]]:
    """Activations with more than one scale."""
    for node in _pairs(view):
        if _num_scales(view, node) > 1 and _input(node, 0) not in view.constants:
            yield label(node), f"{_num_scales(view, node)} scales for the activation {_input(node, 0)}"


def weights_axis(view: View) -> Iterator[tuple[str, str]]:
    """Weights whose scales do not match the number of output channels along which they run."""
    for consumer, node in _dequantized_weights(view):
        shape, count = view.shapes.get(_input(node, 0)), _num_scales(view, node)
        if count <= 1 or not shape:
            continue
        axis = _axis(node, len(shape))
        if axis == OUTPUT_CHANNELS[consumer.op_type] and shape[axis] != count:
            yield label(node), f"{count} scales for {shape[axis]} output channels of {label(consumer)}"


def weights_path(view: View) -> Iterator[tuple[str, str]]:
    """Something between the weights' DequantizeLinear and the convolution, or scales that do not run along its output
    channels: what is taken, and then not computed in INT8."""
    for consumer, node in _dequantized_weights(view):
        shape, wanted = view.shapes.get(_input(node, 0)), OUTPUT_CHANNELS[consumer.op_type]
        if shape and _num_scales(view, node) > 1 and _axis(node, len(shape)) != wanted:
            yield label(consumer), f"the scales of its weights ({label(node)}) run along another axis than {wanted}"
    for consumer in _weighted(view):
        node, passed = view.producers.get(_input(consumer, 1)), None
        while node is not None and node.op_type != "DequantizeLinear" and _input(node, 0) in view.constants:
            passed, node = node, view.producers.get(_input(node, 0))
        if passed is not None and node is not None and _input(node, 0) in view.constants:
            yield label(consumer), f"{passed.op_type} ({label(passed)}) between its dequantized weights and it"


def half_quantized(view: View) -> Iterator[tuple[str, str]]:
    """Convolutions with quantized weights that read a float activation. The other way round is a float convolution
    behind a quantized one, and fine."""
    for consumer, _ in _dequantized_weights(view):
        activation = view.producers.get(_input(consumer, 0))
        if activation is None or activation.op_type != "DequantizeLinear":
            yield label(consumer), f"has quantized weights and reads the float activation {_input(consumer, 0)}"


def _axis(node: onnx.NodeProto, rank: int) -> int:
    axis = attribute(node, "axis", 1)
    return axis % rank if isinstance(axis, int) else 1


def _pairs(view: View) -> Iterator[onnx.NodeProto]:
    yield from (node for node in view.nodes if node.op_type in ("QuantizeLinear", "DequantizeLinear") and node.output)


def _weighted(view: View) -> Iterator[onnx.NodeProto]:
    yield from (node for node in view.nodes if node.op_type in OUTPUT_CHANNELS)


def _dequantized_weights(view: View) -> Iterator[tuple[onnx.NodeProto, onnx.NodeProto]]:
    """Convolutions with the DequantizeLinear of their weights."""
    for consumer in _weighted(view):
        node = view.producers.get(_input(consumer, 1))
        if node is not None and node.op_type == "DequantizeLinear" and _input(node, 0) in view.constants:
            yield consumer, node


def _input(node: onnx.NodeProto, index: int) -> str:
    return node.input[index] if len(node.input) > index else ""


def _integer_type(view: View, node: onnx.NodeProto) -> int | None:
    """What is quantized to, or dequantized from; None where only a default would say it."""
    if zero_point := _input(node, 2):
        return view.types.get(zero_point)
    return view.types.get(_input(node, 0)) if node.op_type == "DequantizeLinear" else None


def _num_scales(view: View, node: onnx.NodeProto) -> int:
    shape = view.shapes.get(_input(node, 1), ())
    return int(np.prod([side for side in shape if isinstance(side, int)], dtype=float)) if shape else 1


def _feeds_bias(view: View, node: onnx.NodeProto) -> bool:
    readers = view.consumers.get(node.output[0], [])
    return node.op_type == "DequantizeLinear" and any(
        reader.op_type in OUTPUT_CHANNELS and index == 2 for reader, index in readers
    )


def _range(values: np.ndarray) -> str:
    values = values.astype(np.float32)
    return f"{values.min():g}" if values.size == 1 else f"{values.min():g} to {values.max():g}" if values.size else "[]"
