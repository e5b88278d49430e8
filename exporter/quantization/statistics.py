"""What is remembered of the values of each tensor: a few numbers, or a histogram of fixed size.

However many pictures there are, memory stays the same; and but for the moving average, nothing depends on their order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import onnx

from exporter.quantization import observe

_AVERAGING = 0.1  # the weight of each new picture in the moving average


@dataclass(frozen=True)
class Histogram:
    """counts: int64 [2·HALF], of the values in equal bins from -2**exponent to 2**exponent.

    The ends are powers of two, so a histogram of twice the width is this one with its bins joined in pairs, exactly:
    the sum of histograms is the histogram of all values at once, whatever came first.
    """

    exponent: int
    counts: np.ndarray

    HALF: ClassVar[int] = 2**13

    @classmethod
    def of(cls, values: np.ndarray) -> Self:
        """values: float32 of any shape, finite."""
        largest = np.abs(values).max(initial=np.finfo(np.float32).smallest_subnormal)
        exponent = int(np.frexp(largest)[1])  # of the lowest power of two above them all
        bins = np.floor(np.ldexp(values.ravel(), 13 - exponent)).astype(np.intp) + cls.HALF
        return cls(exponent, np.bincount(bins, minlength=2 * cls.HALF))

    def __add__(self, other: Self) -> Self:
        exponent = max(self.exponent, other.exponent)
        return type(self)(exponent, self._widened(exponent) + other._widened(exponent))

    def _widened(self, exponent: int) -> np.ndarray:
        """The counts in the bins of a higher exponent."""
        counts = self.counts
        for _ in range(exponent - self.exponent):
            counts = np.pad(counts.reshape(-1, 2).sum(axis=1), self.HALF // 2)
        return counts

    @property
    def edges(self) -> np.ndarray:
        """float64 [2·HALF + 1], the ends of the bins."""
        return np.ldexp(np.arange(-self.HALF, self.HALF + 1, dtype=np.float64), self.exponent - 13)


@dataclass(frozen=True)
class Statistics:
    """Of one tensor over all pictures. average_low, average_high: moving averages of each picture's extremes."""

    low: float
    high: float
    average_low: float
    average_high: float
    histogram: Histogram | None


def collect(
    model: onnx.ModelProto, tensors: Sequence[str], images: Iterable[np.ndarray], histograms: bool
) -> dict[str, Statistics]:
    """The statistics of the tensors of these names: with histograms, all that `exporter.quantization.ranges` chooses
    from; without, what minmax and moving_average need, cheaper, for then the graph itself reduces its tensors.

    images: float32 [n, 3, H, W] each. Raises what `exporter.quantization.observe` raises.
    """
    low = high = average = np.zeros(0, np.float32)
    counted: list[Histogram] = []
    if histograms:
        held = observe.values(model, tensors, images)
        batches = ((np.array([[a.min(), a.max()] for a in arrays], np.float32), arrays) for arrays in held)
    else:
        batches = ((pairs, []) for pairs in observe.extremes(model, tensors, images))
    for pairs, arrays in batches:
        new = [Histogram.of(array) for array in arrays]
        if not low.size:
            low, high, average, counted = pairs[:, 0], pairs[:, 1], pairs, new
            continue
        low, high = np.minimum(low, pairs[:, 0]), np.maximum(high, pairs[:, 1])
        average = average + np.float32(_AVERAGING) * (pairs - average)
        counted = [a + b for a, b in zip(counted, new, strict=True)]
    return {
        name: Statistics(*map(float, (low[i], high[i], *average[i])), counted[i] if counted else None)
        for i, name in enumerate(tensors)
    }
