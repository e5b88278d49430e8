"""From statistics to the range that a tensor's integers cover. What lies beyond it saturates.

- minmax: all that was seen. moving_average: the extremes of an image, averaged over the images.
- percentile: leaves out an equal share of the values at each end.
- mse, entropy: of the whole range, shrunk percent by percent down to a tenth, the one with the least mean squared error
  of the rounded values; or the one that keeps most of the distribution (least Kullback-Leibler divergence between the
  saturated values and the rounded ones; Migacz 2017, "8-bit inference with TensorRT").
- measure: by each of these, and the one is kept whose network is nearest to the float one on the calibration images.
"""

import numpy as np

from exporter.quantization.scheme import Scheme, activation
from exporter.quantization.statistics import Histogram, Statistics

METHODS = ("minmax", "moving_average", "percentile", "mse", "entropy")
MEASURE = "measure"
HISTOGRAM_METHODS = (*METHODS[2:], MEASURE)


def choose(statistics: Statistics, method: str, scheme: Scheme, percentile: float = 99.99) -> tuple[float, float]:
    """The lowest and highest value to represent, by one of METHODS. `percentile`: how much of all values to keep."""
    whole = statistics.low, statistics.high
    if method == "minmax":
        return whole
    if method == "moving_average":
        return statistics.average_low, statistics.average_high
    histogram = statistics.histogram
    assert histogram is not None, f"{method} needs statistics with histograms"
    if method == "percentile":
        return _percentile(histogram, percentile, *whole)
    return _shrunk(histogram, method, scheme, *whole)


def _percentile(histogram: Histogram, percentile: float, low: float, high: float) -> tuple[float, float]:
    share = (1 - percentile / 100) / 2
    cumulative = np.cumsum(histogram.counts) / histogram.counts.sum()
    first = int(np.searchsorted(cumulative, share, side="right"))  # the bins in which the shares are passed
    last = int(np.searchsorted(cumulative, 1 - share, side="left"))
    return max(low, float(histogram.edges[first])), min(high, float(histogram.edges[last + 1]))


def _shrunk(histogram: Histogram, method: str, scheme: Scheme, low: float, high: float) -> tuple[float, float]:
    """The cheapest of the shrunk ranges, of equal ones the widest."""
    used = np.flatnonzero(histogram.counts)
    used = used[used != histogram.HALF]  # 0 is exact in every range, and a Relu's many zeros would hide the rest
    if not used.size:
        return low, high
    counts = histogram.counts[used].astype(np.float64)
    centers = (histogram.edges[used] + histogram.edges[used + 1]) / 2
    limits = np.iinfo(scheme.dtype)
    candidates = [(low * percent / 100, high * percent / 100) for percent in range(100, 9, -1)]
    costs = []
    for candidate in candidates:
        scale, zero_point = (float(number) for number in activation(*candidate, scheme))
        exact = np.rint(centers / scale)
        integers = np.clip(exact, limits.min - zero_point, limits.max - zero_point)
        if method == "mse":
            costs.append(counts @ (centers - integers * scale) ** 2)
        else:
            costs.append(_divergence(counts, integers.astype(np.intp), inside=exact == integers))
    return candidates[int(np.argmin(costs))]


def _divergence(counts: np.ndarray, integers: np.ndarray, inside: np.ndarray) -> float:
    """Of the distribution whose outliers stand at the ends, from the one that is left of the rest when each integer's
    share is spread evenly over its bins. counts > 0, integers ascending, both [bins used]."""
    if not inside.any():
        return np.inf
    first, last = np.flatnonzero(inside)[[0, -1]]
    saturated = counts[first : last + 1].copy()
    saturated[0] += counts[:first].sum()
    saturated[-1] += counts[last + 1 :].sum()
    level = integers[first : last + 1] - integers[first]
    rounded = (np.bincount(level, counts[first : last + 1]) / np.maximum(np.bincount(level), 1))[level]
    p, q = saturated / saturated.sum(), rounded / rounded.sum()
    return float(p @ np.log(p / q))
