"""What of a graph is quantized, counted in the graph itself."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from exporter.graph.qdq import WEIGHTED


def summarize(model: onnx.ModelProto) -> dict[str, Any]:
    """JSON-able facts about the Q/DQ pairs of `model`, whatever put them there."""
    producers = {output: node for node in model.graph.node for output in node.output}
    initializers = {tensor.name: tensor for tensor in model.graph.initializer}

    def integers_of(value: str) -> int | None:
        """The type of the integers behind a DequantizeLinear."""
        node = producers.get(value)
        if node is None or node.op_type != "DequantizeLinear":
            return None
        zero_point = initializers.get(node.input[2]) if len(node.input) > 2 else None
        return zero_point.data_type if zero_point is not None else onnx.TensorProto.UINT8

    convolutions = [node for node in model.graph.node if node.op_type in WEIGHTED]
    types = {node.name: (integers_of(node.input[0]), integers_of(node.input[1])) for node in convolutions}
    in_float = [name for name, pair in types.items() if None in pair]
    kinds = Counter(node.op_type for node in model.graph.node)
    return {
        "convolutions": {"int8": len(types) - len(in_float), "float": len(in_float), "left_in_float": in_float},
        "activations": _type_names(pair[0] for name, pair in types.items() if name not in in_float),
        "weights": _type_names(pair[1] for name, pair in types.items() if name not in in_float),
        **_weights([producers[n.input[1]] for n in convolutions if n.name not in in_float], initializers),
        "quantize_linear": kinds["QuantizeLinear"],
        "dequantize_linear": kinds["DequantizeLinear"],
    }


def _weights(
    dequantize: Iterable[onnx.NodeProto], initializers: Mapping[str, onnx.TensorProto]
) -> dict[str, list[str] | int | None]:
    """What the scales of weights are for, and the largest integer among those that are stored (None: none is)."""
    scales, largest = set(), []
    for node in dequantize:
        scale, integers = initializers.get(node.input[1]), initializers.get(node.input[0])
        scales.add("per channel" if scale is not None and scale.dims else "per tensor")
        if integers is not None:
            largest.append(int(np.abs(numpy_helper.to_array(integers).astype(np.int16)).max(initial=0)))
    return {"weight_scales": sorted(scales), "largest_weight": max(largest, default=None)}


def summarize_half(model: onnx.ModelProto) -> dict[str, int]:
    """How many convolutions have weights in float16 and in float32, and how many numbers are stored in float16."""
    initializers = {tensor.name: tensor for tensor in model.graph.initializer}
    convolutions = [node for node in model.graph.node if node.op_type in WEIGHTED]
    types = [initializers[node.input[1]].data_type for node in convolutions if node.input[1] in initializers]
    in_half = (tensor for tensor in initializers.values() if tensor.data_type == onnx.TensorProto.FLOAT16)
    return {
        "float16_convolutions": types.count(onnx.TensorProto.FLOAT16),
        "float32_convolutions": types.count(onnx.TensorProto.FLOAT),
        "float16_weights": sum(math.prod(tensor.dims) for tensor in in_half),
    }


def _type_names(types: Iterable[Any]) -> list[str]:
    return sorted({np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind)).name for kind in types})
