"""What is remembered of the values of each tensor: a few numbers, or a histogram of fixed size.

However many images there are, memory stays the same; and but for the moving average, nothing depends on their order.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import onnx

from exporter.common.errors import RequestError
from exporter.quantization import observe

_AVERAGING = 0.1  # the weight of each new image in the moving average


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
    """Of one tensor over all images. average_low, average_high: moving averages of each image's extremes;
    channel_means: float64 [C], of the tensors where they were asked for."""

    low: float
    high: float
    average_low: float
    average_high: float
    histogram: Histogram | None
    channel_means: np.ndarray | None = None


def collect(
    model: onnx.ModelProto,
    tensors: Sequence[str],
    images: Iterable[np.ndarray],
    histograms: bool,
    averaged: Sequence[str] = (),
) -> dict[str, Statistics]:
    """The statistics of the tensors of these names: with histograms, all that `exporter.quantization.ranges` chooses
    from, by any method; without, what minmax and moving_average need, cheaper, for then the graph itself reduces its
    tensors.

    images: float32 [n, 3, H, W] each; averaged: those of the tensors, [n, C, h, w] each, whose channels' means are
    wanted. Raises what `exporter.quantization.observe` raises.
    """
    low = high = average = np.zeros(0, np.float32)
    counted: list[Histogram] = []
    sums: list[np.ndarray] = []  # of float32 numbers in float64: exact, so in any order, unless they are far apart
    count = 0
    for pairs, means, new in _observed(model, tensors, images, histograms, averaged):
        count += len(means[0]) if means else 0
        totals = [each.sum(axis=0, dtype=np.float64) for each in means]
        if not low.size:
            low, high, average, counted, sums = pairs[:, 0], pairs[:, 1], pairs, new, totals
            continue
        low, high = np.minimum(low, pairs[:, 0]), np.maximum(high, pairs[:, 1])
        average = average + np.float32(_AVERAGING) * (pairs - average)
        counted = [a + b for a, b in zip(counted, new, strict=True)]
        sums = [a + b for a, b in zip(sums, totals, strict=True)]
    channel_means = {name: total / count for name, total in zip(averaged, sums, strict=True)}
    return {
        name: Statistics(
            *map(float, (low[i], high[i], *average[i])), counted[i] if counted else None, channel_means.get(name)
        )
        for i, name in enumerate(tensors)
    }


def always_zero(seen: Mapping[str, Statistics]) -> list[str]:
    """The tensors in which no image left anything."""
    return [tensor for tensor, each in seen.items() if each.low == each.high == 0]


def check_input(seen: Statistics | None, allowed: tuple[float, float] | None) -> None:
    """Raises RequestError for images beyond what the network's input can hold by its nature; nothing is checked where
    that, or what the images hold, is not known."""
    if seen and allowed and (seen.low < allowed[0] or seen.high > allowed[1]):
        raise RequestError(
            f"calibration: images hold values from {seen.low:g} to {seen.high:g}, the network's input goes from "
            f"{allowed[0]:g} to {allowed[1]:g}: normalise them as it was trained"
        )


def _observed(
    model: onnx.ModelProto,
    tensors: Sequence[str],
    images: Iterable[np.ndarray],
    histograms: bool,
    averaged: Sequence[str],
) -> Iterator[tuple[np.ndarray, list[np.ndarray], list[Histogram]]]:
    """Of each batch the extremes, float32 [tensors, 2], the means, float32 [n, C] each, and the histograms."""
    if not histograms:
        for pairs, means in observe.extremes_and_means(model, tensors, averaged, images):
            yield pairs, means, []
        return
    chosen = [tensors.index(name) for name in averaged]
    for arrays in observe.values(model, tensors, images):
        pairs = np.array([[a.min(), a.max()] for a in arrays], np.float32)
        means = [arrays[i].mean(axis=(2, 3)) for i in chosen]
        yield pairs, means, [Histogram.of(array) for array in arrays]
