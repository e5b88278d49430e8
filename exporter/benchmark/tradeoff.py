"""How long the artifacts take that a mixed precision was chosen from: facts of a machine, for the manifest's `run`."""

from collections.abc import Iterable
from dataclasses import replace

from exporter.benchmark.paired import interleaved, ratio, summarized
from exporter.benchmark.section import VariantTimes
from exporter.benchmark.subject import Subject

ROUNDS = 10


def timed(artifacts: Iterable[tuple[int, bytes]], reference: Subject, threads: int) -> list[VariantTimes]:
    """For each artifact, by its number of layers in INT8: its median in milliseconds, and median and quartiles of its
    ratio to the FP32 `reference`, run in turn with it. One artifact at a time is in memory."""
    baseline = reference.runner(threads)
    measured = []
    for in_int8, artifact in artifacts:
        own, other = interleaved([replace(reference, model=artifact).runner(threads), baseline], ROUNDS)
        spread = ratio(own, other)
        p50 = summarized(own).p50_ms
        measured.append(
            VariantTimes(in_int8=in_int8, p50_ms=p50, ratio=spread.median, low=spread.low, high=spread.high)
        )
    return measured
