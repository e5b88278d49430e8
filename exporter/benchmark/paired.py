"""Times things in turn, A B, B A, A B …: a machine whose speed drifts then misleads nobody."""

import statistics
from collections.abc import Sequence

from exporter.benchmark.section import Ratio, Times
from exporter.runtime.engine import Timed

WARM_UP = 3  # the first runs allocate


def interleaved(runs: Sequence[Timed], rounds: int) -> list[list[float]]:
    """Milliseconds of each run, by round: times[k][r] is that of runs[k] in round r. Every other round goes backwards,
    since whoever runs later finds other things in the cache."""
    for _ in range(WARM_UP):
        for run in runs:
            run()
    times: list[list[float]] = [[] for _ in runs]
    for i in range(rounds):
        for k in range(len(runs)) if i % 2 == 0 else reversed(range(len(runs))):
            times[k].append(1000 * runs[k]())
    return times


def ratio(times: Sequence[float], baseline: Sequence[float]) -> Ratio:
    """times / baseline, round by round: the median and the quartiles. At least two rounds."""
    low, middle, high = statistics.quantiles([a / b for a, b in zip(times, baseline, strict=True)], n=4)
    return Ratio(median=round(middle, 4), low=round(low, 4), high=round(high, 4))


def summarized(times: Sequence[float]) -> Times:
    """Percentiles of milliseconds, linear between neighbours, and the times themselves. At least two."""
    hundredths = statistics.quantiles(times, n=100, method="inclusive")
    return Times(
        p50_ms=round(hundredths[49], 3),
        p90_ms=round(hundredths[89], 3),
        p99_ms=round(hundredths[98], 3),
        times_ms=[round(each, 3) for each in times],
    )
