"""Benchmark on the CPU, in the recipe's engine, in turn with the FP32 artifact of the same recipe."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from exporter.benchmark import BenchmarkNode
from exporter.common.errors import BuildError
from exporter.common.provenance import cores, cpu

if TYPE_CHECKING:
    from exporter.benchmark.section import Benchmark as BenchmarkSection
    from exporter.benchmark.section import Latency, Throughput
    from exporter.benchmark.subject import Subject

Count = Annotated[int, Field(ge=1)]


class CpuBenchmark(BenchmarkNode):
    """conf/benchmark/cpu.yaml says what the fields are."""

    threads: Count | Literal["auto"]
    rounds: int = Field(ge=2)
    throughput_batches: tuple[Count, ...]
    throughput_threads: tuple[Count, ...] | Literal["auto"]
    max_ratio: float | None = Field(None, gt=0, allow_inf_nan=False)

    @property
    def gate(self) -> float | None:
        """See the base."""
        return self.max_ratio

    def measure(
        self,
        artifact: "Subject",
        reference: "Subject | None",
        core: "Subject",
        reference_core: "Subject | None",
        *,
        dynamic_batch: bool,
    ) -> "BenchmarkSection":
        """Bytes of the input's size in, detections out, on one synthetic image (as many as a fixed batch holds); see
        the base."""
        from exporter.benchmark.memory import peak_memory
        from exporter.benchmark.paired import interleaved
        from exporter.benchmark.section import Benchmark as BenchmarkSection
        from exporter.benchmark.section import Sizes

        threads = cores() if self.threads == "auto" else self.threads
        subjects = [artifact, core] if reference is None else [artifact, reference, core, reference_core]
        times = interleaved([s.runner(threads) for s in subjects if s is not None], self.rounds)
        pairs = [times[:1], times[1:]] if reference is None else [times[:2], times[2:]]
        end_to_end, bare = (_latency(*pair) for pair in pairs)
        _hold(end_to_end, self.max_ratio)
        memory = [peak_memory(s, threads) if s is not None else None for s in (artifact, reference)]
        return BenchmarkSection(
            name=self.name,
            engine=artifact.engine.label(artifact.model),
            cpu=cpu(),
            threads=threads,
            batch=artifact.batch,
            rounds=self.rounds,
            end_to_end=end_to_end,
            core=bare,
            throughput=self._throughput(artifact, reference, dynamic_batch),
            peak_memory_bytes=Sizes(artifact=memory[0], reference=memory[1]),
            file_bytes=Sizes(artifact=_bytes(artifact), reference=_bytes(reference)),
            warnings=list(_warnings(end_to_end)),
        )

    def _throughput(self, artifact: "Subject", reference: "Subject | None", dynamic_batch: bool) -> "list[Throughput]":
        """Images a second for every number of threads and every batch."""
        from exporter.benchmark.paired import interleaved, ratio
        from exporter.benchmark.section import Throughput

        tried = _powers_of_two(cores()) if self.throughput_threads == "auto" else self.throughput_threads
        rows = []
        for threads in tried:
            for batch in self.throughput_batches if dynamic_batch else [artifact.batch]:
                subjects = [s for s in (artifact, reference) if s is not None]
                fed = [s.repeated(batch) if dynamic_batch else s for s in subjects]
                times = interleaved([s.runner(threads) for s in fed], max(self.rounds // 8, 3))
                speeds = [round(1000 * batch * len(each) / sum(each), 3) for each in times]
                # More images a second is less time an image: the ratio of speeds is that of times upside down.
                gained = ratio(times[1], times[0]) if len(times) > 1 else None
                rows.append(
                    Throughput(
                        threads=threads,
                        batch=batch,
                        artifact=speeds[0],
                        reference=speeds[1] if len(speeds) > 1 else None,
                        ratio=gained,
                    )
                )
        return rows


def _latency(times: Sequence[float], baseline: Sequence[float] | None = None) -> "Latency":
    from exporter.benchmark.paired import ratio, summarized
    from exporter.benchmark.section import Latency

    return Latency(
        artifact=summarized(times),
        reference=summarized(baseline) if baseline else None,
        ratio=ratio(times, baseline) if baseline else None,
    )


def _hold(latency: "Latency", most: float | None) -> None:
    """The lower quartile, so that a machine with other work on it fails no build that is fast enough."""
    r = latency.ratio
    if r is not None and most is not None and r.low > most:
        raise BuildError(
            f"benchmark.max_ratio={most:g}: the artifact takes {r.median:.2f} of the FP32 artifact's time on this CPU"
            f" (middle half {r.low:.2f} to {r.high:.2f}); nothing was published: allow that much, or take another"
            " precision or engine"
        )


def _warnings(latency: "Latency") -> "Sequence[str]":
    """What nobody should have to look for."""
    r = latency.ratio
    if r is None or latency.reference is None or r.median <= 1:
        return []
    return [
        f"SLOWER THAN FP32: {r.median:.2f} times the time of the FP32 artifact (middle half {r.low:.2f} to"
        f" {r.high:.2f}; {latency.artifact.p50_ms:.1f} ms against {latency.reference.p50_ms:.1f} ms)"
    ]


def _bytes(subject: "Subject | None") -> int | None:
    if subject is None:
        return None
    return len(subject.model) if isinstance(subject.model, bytes) else subject.model.stat().st_size


def _powers_of_two(most: int) -> list[int]:
    """1, 2, 4 … and `most` itself."""
    return sorted({most, *(2**i for i in range(most.bit_length()) if 2**i <= most)})
