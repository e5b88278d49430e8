"""The manifest's section on time, memory and size."""

from typing import Any

from exporter.common.section import Section


class Ratio(Section):
    """Artifact to reference, round by round: the median and the quartiles about it."""

    median: float
    low: float
    high: float


class Times(Section):
    """Milliseconds a run: percentiles, and every round."""

    p50_ms: float
    p90_ms: float
    p99_ms: float
    times_ms: list[float]


class Latency(Section):
    """Of the artifact and of the FP32 artifact of the same recipe, in turn; null where the artifact is that itself."""

    artifact: Times
    reference: Times | None
    ratio: Ratio | None


class Throughput(Section):
    """Images a second; `ratio` above 1 means that the artifact does more of them than the reference."""

    threads: int
    batch: int
    artifact: float
    reference: float | None
    ratio: Ratio | None


class Sizes(Section):
    """Bytes; null where there is no reference, or where the system does not tell."""

    artifact: int | None
    reference: int | None


class Benchmark(Section):
    """How fast it was on the machine that built it, in an engine's words. `end_to_end` is bytes of the input's size in,
    finished detections out; `core` the network alone. `warnings` are what nobody should overlook."""

    name: str
    engine: str
    cpu: dict[str, Any]
    threads: int
    batch: int
    rounds: int
    end_to_end: Latency
    core: Latency
    throughput: list[Throughput]
    peak_memory_bytes: Sizes
    file_bytes: Sizes
    warnings: list[str]


class VariantTimes(Section):
    """Of a variant of a mixed precision, by its number of layers on integers: the median in milliseconds, and
    median and quartiles of its ratio to the FP32 artifact."""

    in_int8: int
    p50_ms: float
    ratio: float
    low: float
    high: float
