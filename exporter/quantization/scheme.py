"""How reals become integers: real = scale · (integer − zero point).

Rounding is half to even and values beyond the range saturate, as ONNX defines QuantizeLinear. Weights are int8 and
symmetric in every scheme, with a scale for each output channel or one for all (Jacob et al. 2017, arXiv:1712.05877;
Krishnamoorthi 2018, arXiv:1806.08342); a scale of activations is always that of the whole tensor. The schemes differ in
the activations: uint8 is asymmetric, its zero point lies wherever 0 does; int8 is symmetric, its zero point is 0.

There are no others on purpose. Asymmetric int8 is uint8 with every number less 128, so the same results; symmetric
uint8 (zero point 128) is symmetric int8 likewise. With uint8 weights (U8U8) ONNX Runtime is slower than in float.
"""

from dataclasses import dataclass

import numpy as np

_TINY = np.finfo(np.float32).tiny  # a scale below it is denormal: engines may flush it to 0 and then divide by it
FULL_RANGE = 127
PAIR_RANGE = 128
"""The most that two weights of one sign may be together whose products with bytes are added up in 16 bits: 255 · 128 <
2**15. That is what x86 CPUs with AVX2 or AVX512 but without VNNI do (vpmaddubsw) with each two that follow each other
in the order of rows, columns, input channels, as ONNX Runtime and oneDNN go through them. Of depthwise convolutions
they add each product up in 32 bits: those need no such weights."""


@dataclass(frozen=True)
class Scheme:
    """symmetric: activations are int8 with zero point 0, else uint8 with a zero point of their own.
    int32_bias: biases are stored as integers, scaled like the accumulator (input scale · weight scale).
    per_channel: weights have a scale for each output channel, else one for all.
    reduced: weights are so small that no pair of products saturates, see `PAIR_RANGE`.
    fused: what an operator on integers computes becomes integers only where another one reads it, and activations are
    computed in float: for engines that do so within the convolution before. Else every result becomes integers."""

    name: str
    symmetric: bool
    int32_bias: bool
    per_channel: bool = True
    reduced: bool = False
    fused: bool = False

    @property
    def dtype(self) -> type[np.integer]:
        """Of the activations."""
        return np.int8 if self.symmetric else np.uint8


U8S8 = Scheme("u8s8", symmetric=False, int32_bias=True)
"""For ONNX Runtime on CPUs and OpenVINO. A tensor that is never negative has zero point 0 and uses all 8 bits."""
S8S8 = Scheme("s8s8", symmetric=True, int32_bias=False)
"""For TensorRT, which takes zero points of 0 only and wants the bias in float."""
SCHEMES = {scheme.name: scheme for scheme in (U8S8, S8S8)}


def activation(low: float, high: float, scheme: Scheme) -> tuple[np.ndarray, np.ndarray]:
    """float32 scale and zero point, both of shape [], for values within low..high.

    The range is widened to hold 0, which padding and Relu need exact. A range without extent, of a tensor that is
    always 0, gets scale 1: what is 0 stays 0.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    scale = np.float32(max(-low, high) / 127 if scheme.symmetric else (high - low) / 255)
    if scale < _TINY:
        scale, low = np.float32(1), 0.0
    zero_point = 0 if scheme.symmetric else np.rint(-low / float(scale))
    return np.array(scale), np.array(zero_point, scheme.dtype)


def weight(values: np.ndarray, axis: int | None, floor: np.ndarray | float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """int8 of the same shape, -127..127, and float32 scale, [channels] along `axis` or [] for all where that is
    None. No scale is below `floor`."""
    other_axes = tuple(i for i in range(values.ndim) if i != axis)
    scale = np.maximum(np.abs(values).max(axis=other_axes) / FULL_RANGE, np.max(floor) if axis is None else floor)
    scale = np.where(scale < _TINY, np.float32(1), scale.astype(np.float32))
    integers = np.rint(values / along(scale, axis, values.ndim))
    return np.clip(integers, -FULL_RANGE, FULL_RANGE).astype(np.int8), scale


def along(scale: np.ndarray, axis: int | None, ndim: int) -> np.ndarray:
    """A scale from `weight`, shaped so that it multiplies an array of `ndim` dimensions."""
    return scale.reshape([-1 if i == axis else 1 for i in range(ndim)])


def pair_floor(values: np.ndarray, axis: int | None) -> np.ndarray:
    """The smallest scales, [channels] along `axis` or [] for all, with which no pair of the weights [.., in or out
    channels, rows, columns] is beyond `PAIR_RANGE` once both are rounded."""
    outputs = axis if axis is not None else 0
    rows = np.moveaxis(values, outputs, 0)
    # One after the other as engines go through them; each two neighbours, wherever an engine begins to count.
    ordered = np.moveaxis(rows, 1, -1).reshape(len(rows), -1)
    sums = [np.maximum(sign * ordered[:, :-1], 0) + np.maximum(sign * ordered[:, 1:], 0) for sign in (1, -1)]
    largest = np.max(sums, axis=(0, 2), initial=0.0)
    # Rounding adds at most a half to each.
    return (largest if axis is not None else largest.max()) / (PAIR_RANGE - 1)


def weight_floor(bias: np.ndarray, input_scale: np.ndarray) -> np.ndarray:
    """The smallest weight scales [channels] with which `bias` fits into half the range of an int32 accumulator."""
    return np.abs(bias.astype(np.float64)) / (float(input_scale) * 2**30)


def bias(values: np.ndarray, input_scale: np.ndarray, weight_scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int32 [channels] and its float32 scale, the accumulator's; `weight_scale` and it are [channels] or []."""
    scale = input_scale * weight_scale
    return np.rint(values.astype(np.float64) / scale).astype(np.int32), scale
