"""How reals become integers: real = scale · (integer − zero point).

Rounding is half to even and values beyond the range saturate, as ONNX defines QuantizeLinear. Weights are int8 in every
scheme, symmetric with one scale per output channel (Jacob et al. 2017, arXiv:1712.05877; Krishnamoorthi 2018,
arXiv:1806.08342); the schemes differ in the activations.
"""

from dataclasses import dataclass

import numpy as np

_TINY = np.finfo(np.float32).tiny  # a scale below it is denormal: engines may flush it to 0 and then divide by it


@dataclass(frozen=True)
class Scheme:
    """symmetric: activations are int8 with zero point 0, else uint8 with a zero point of their own.
    int32_bias: biases are stored as integers, scaled like the accumulator (input scale · weight scale)."""

    name: str
    symmetric: bool
    int32_bias: bool

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


def weight(values: np.ndarray, axis: int, floor: np.ndarray | float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """int8 of the same shape, -127..127, and float32 scale [channels] along `axis`. No scale is below `floor`."""
    other_axes = tuple(i for i in range(values.ndim) if i != axis)
    scale = np.maximum(np.abs(values).max(axis=other_axes) / 127, floor).astype(np.float32)
    scale = np.where(scale < _TINY, np.float32(1), scale)
    shape = [-1 if i == axis else 1 for i in range(values.ndim)]
    return np.clip(np.rint(values / scale.reshape(shape)), -127, 127).astype(np.int8), scale


def weight_floor(bias: np.ndarray, input_scale: np.ndarray) -> np.ndarray:
    """The smallest weight scales [channels] with which `bias` fits into half the range of an int32 accumulator."""
    return np.abs(bias.astype(np.float64)) / (float(input_scale) * 2**30)


def bias(values: np.ndarray, input_scale: np.ndarray, weight_scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int32 [channels] and its float32 scale [channels], the accumulator's."""
    scale = input_scale * weight_scale
    return np.rint(values.astype(np.float64) / scale).astype(np.int32), scale
