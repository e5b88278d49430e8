"""What of a graph is quantized, counted in the graph itself."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import numpy_helper

from exporter.graph.operators import LINEAR, WEIGHTED
from exporter.graph.pool_as_conv import is_average
from exporter.quantization.section import Fp16Counts, IntegerCounts, LayerCounts

COUNTED = (*WEIGHTED, *LINEAR, "QuantizeLinear", "DequantizeLinear", "Constant")
"""Operators that are read here by what ONNX says of their inputs and outputs."""
CONVOLUTIONS = (*WEIGHTED, "QLinearConv", "ConvInteger")
LINEAR_LAYERS = (*LINEAR, "QLinearMatMul", "QGemm", "MatMulInteger")
QLINEAR = ("QLinearConv", "QLinearMatMul", "QGemm")
"""Operators with a scale and a zero point behind each tensor that they read."""


class Operands(NamedTuple):
    """Of a layer on integers: the types of activations and weights, the stored weights and their scale, None
    where these are computed or there is none."""

    activations: int
    weights: int
    stored: onnx.TensorProto | None
    scale: onnx.TensorProto | None


def summarize(model: onnx.ModelProto) -> IntegerCounts:
    """What computes on integers in `model`, behind Q/DQ pairs or by itself, whatever put it
    there."""
    producers = {output: node for node in model.graph.node for output in node.output}
    constants = _constants(model)

    def operands(nodes: Iterable[onnx.NodeProto]) -> dict[str, Operands | None]:
        return {node.name: _operands(node, producers, constants) for node in nodes}

    learnt = (node for node in model.graph.node if node.op_type in CONVOLUTIONS and not is_average(node))
    convolutions = operands(learnt)
    linear = (node for node in model.graph.node if node.op_type in LINEAR_LAYERS)
    linear_layers = operands(node for node in linear if _has_weights(node, producers, constants))
    on_integers = [each for each in (*convolutions.values(), *linear_layers.values()) if each is not None]
    kinds = Counter(node.op_type for node in model.graph.node)
    stored = [numpy_helper.to_array(each.stored) for each in on_integers if each.stored is not None]
    largest = [int(np.abs(weights.astype(np.int16)).max(initial=0)) for weights in stored]
    scales = {"per channel" if each.scale is not None and each.scale.dims else "per tensor" for each in on_integers}
    return IntegerCounts(
        convolutions=_counts(convolutions),
        linear_layers=_counts(linear_layers) if linear_layers else None,
        activations=_type_names(each.activations for each in on_integers),
        weights=_type_names(each.weights for each in on_integers),
        weight_scales=sorted(scales),
        largest_weight=max(largest, default=None),
        quantize_linear=kinds["QuantizeLinear"],
        dequantize_linear=kinds["DequantizeLinear"],
    )


def _counts(operands: Mapping[str, Operands | None]) -> LayerCounts:
    in_float = [name for name, each in operands.items() if each is None]
    return LayerCounts(int8=len(operands) - len(in_float), float=len(in_float), left_in_float=in_float)


def _has_weights(
    node: onnx.NodeProto, producers: Mapping[str, onnx.NodeProto], constants: Mapping[str, onnx.TensorProto]
) -> bool:
    """Whether the second tensor is a constant, stored as integers or behind a whole pair: of a product of two that are
    computed, as in attention, it is not."""
    name = node.input[3 if node.op_type in QLINEAR else 1]
    for kind in ("DequantizeLinear", "QuantizeLinear"):
        producer = producers.get(name)
        if producer is not None and producer.op_type == kind:
            name = producer.input[0]
    return name in constants


def _constants(model: onnx.ModelProto) -> dict[str, onnx.TensorProto]:
    """Initializers, and what nodes hold that are constants, as others write them."""
    nodes = [node for node in model.graph.node if node.op_type == "Constant"]
    held = {node.output[0]: a.t for node in nodes for a in node.attribute if a.name == "value"}
    return held | {tensor.name: tensor for tensor in model.graph.initializer}


def _operands(
    node: onnx.NodeProto, producers: Mapping[str, onnx.NodeProto], constants: Mapping[str, onnx.TensorProto]
) -> Operands | None:
    """None of a layer in float."""

    def constant(index: int, of: onnx.NodeProto = node) -> onnx.TensorProto | None:
        return constants.get(of.input[index]) if index < len(of.input) else None

    def kind(*told: onnx.TensorProto | None) -> int:  # ONNX's own where nothing tells
        return next((each.data_type for each in told if each is not None), onnx.TensorProto.UINT8)

    if node.op_type in QLINEAR:
        return Operands(kind(constant(2)), kind(constant(5), constant(3)), constant(3), constant(4))
    if node.op_type in ("ConvInteger", "MatMulInteger"):
        return Operands(kind(constant(2)), kind(constant(3), constant(1)), constant(1), None)
    read, weights = (producers.get(name) for name in node.input[:2])
    if read is None or weights is None or not read.op_type == weights.op_type == "DequantizeLinear":
        return None
    types = []
    for linear in (read, weights):
        before = producers.get(linear.input[0])  # weights that were trained so are floats behind both
        told = constant(2, before) if before is not None and before.op_type == "QuantizeLinear" else None
        types.append(kind(constant(2, linear), told, constant(0, linear)))
    return Operands(*types, constant(0, weights), constant(1, weights))


def summarize_fp16(model: onnx.ModelProto) -> Fp16Counts:
    """How many convolutions have weights in float16 and in float32, and how many numbers are stored in float16."""
    initializers = {tensor.name: tensor for tensor in model.graph.initializer}
    convolutions = [node for node in model.graph.node if node.op_type in WEIGHTED]
    types = [initializers[node.input[1]].data_type for node in convolutions if node.input[1] in initializers]
    in_fp16 = (tensor for tensor in initializers.values() if tensor.data_type == onnx.TensorProto.FLOAT16)
    return Fp16Counts(
        float16_convolutions=types.count(onnx.TensorProto.FLOAT16),
        float32_convolutions=types.count(onnx.TensorProto.FLOAT),
        float16_weights=sum(math.prod(tensor.dims) for tensor in in_fp16),
    )


def _type_names(types: Iterable[Any]) -> list[str]:
    return sorted({np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind)).name for kind in types})
