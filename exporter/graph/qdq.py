"""Puts QuantizeLinear/DequantizeLinear pairs into a float graph: the one form of INT8 that every engine reads.

Where the pairs go is what makes a graph fast. An engine runs an operator in integers when it finds DequantizeLinear on
all its inputs and QuantizeLinear on its output, so here

- the result of every quantized node carries a pair, and so does every float tensor that a quantized node reads;
- a Relu belongs to the operator before it: one pair, after the Relu. A uint8 tensor with zero point 0 cannot hold
  anything negative, so the Relu itself costs nothing;
- an operator that only moves values (MaxPool, Reshape, DepthToSpace …) has one scale for what it reads and writes:
  the very same integers come out;
- a multiplication by one positive number before an Add is no operator at all: the same integers are read with another
  scale (`a·(s·q) = (a·s)·q`).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
import onnx_ir as ir

WEIGHTED = ("Conv", "ConvTranspose")
"""Operators with int8 weights."""
MOVING = ("MaxPool", "Reshape", "Transpose", "DepthToSpace", "SpaceToDepth", "Flatten", "Squeeze", "Unsqueeze", "Slice",
          "Split", "Resize", "Identity")  # fmt: skip
"""Operators whose result holds values of their first input, or lies between them."""
COMPUTING = ("Relu", "Add", "Mul", "Concat")
"""The other operators that can run on integers."""


@dataclass(frozen=True)
class Scheme:
    """How reals become integers. Weights are int8, symmetric, one scale per output channel, in every scheme."""

    name: str
    symmetric: bool  # activations: int8 with zero point 0, else uint8 with a zero point of their own
    int32_bias: bool  # the bias quantized with (input scale · weight scale), where the engine fuses it

    @property
    def activation(self) -> type[np.generic]:
        return np.int8 if self.symmetric else np.uint8


SCHEMES = {
    scheme.name: scheme
    for scheme in (
        Scheme("u8s8", symmetric=False, int32_bias=True),  # ONNX Runtime on CPUs, OpenVINO
        Scheme("s8s8", symmetric=True, int32_bias=False),  # TensorRT: zero points must be 0; its bias stays in float
    )
}


def activation_parameters(low: float, high: float, scheme: Scheme) -> tuple[np.float32, np.generic]:
    """Scale and zero point for values within [low, high]. The range is widened to hold 0: padding and Relu need it
    exact. A range without extent (a tensor that is always 0) gets scale 1: zero stays zero."""
    low, high = min(float(low), 0.0), max(float(high), 0.0)
    scale = np.float32(max(-low, high) / 127 if scheme.symmetric else (high - low) / 255)
    if scale < np.finfo(np.float32).tiny:
        return np.float32(1), scheme.activation(0)
    return scale, scheme.activation(0 if scheme.symmetric else np.rint(-low / float(scale)))


def quantize_weight(weight: np.ndarray, axis: int, smallest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int8 weight and float32 scale [channels], symmetric per channel of `axis`; no scale falls below `smallest`."""
    others = tuple(i for i in range(weight.ndim) if i != axis)
    scale = np.maximum(np.abs(weight).max(axis=others) / 127, smallest).astype(np.float32)
    scale[scale < np.finfo(np.float32).tiny] = 1
    shape = [-1 if i == axis else 1 for i in range(weight.ndim)]
    return np.clip(np.rint(weight / scale.reshape(shape)), -127, 127).astype(np.int8), scale


def quantized_tensors(model: onnx.ModelProto, nodes: Collection[str]) -> list[str]:
    """Names of the activations that get a Q/DQ pair when the nodes of these names are quantized, in graph order."""
    return [value.name or "" for value in _Placement(ir.from_proto(model), nodes).tensors]


def insert(
    model: onnx.ModelProto, nodes: Collection[str], ranges: Mapping[str, tuple[float, float]], scheme: Scheme
) -> onnx.ModelProto:
    """A new graph in which the nodes of these names work on integers.

    `model`: float32 graph, node and value names unique. `ranges`: (low, high) of each of `quantized_tensors`. Integers,
    scales and zero points of a tensor t are named t/quantized, t/scale, t/zero_point. Raises KeyError for a range
    that is missing.
    """
    graph_model = ir.from_proto(model)
    graph = graph_model.graph
    placement = _Placement(graph_model, nodes)
    scales: dict[ir.Value, np.float32] = {}
    for value in placement.tensors:
        group = [
            ranges[other.name or ""] for other in placement.tensors if placement.group(other) is placement.group(value)
        ]
        scale, zero_point = activation_parameters(min(r[0] for r in group), max(r[1] for r in group), scheme)
        scales[value] = scale
        _insert_pair(graph, value, scale, zero_point, placement)
    for node in placement.weighted:
        _quantize_weights(graph, node, scales[placement.source[node]], scheme)
    return ir.to_proto(graph_model)
