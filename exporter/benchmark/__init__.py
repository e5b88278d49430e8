"""How fast an artifact is, run by run in turn with what it is compared with.

Not here: how accurate it is (`evaluation`), and the engines themselves (`runtime`).
"""

from typing import TYPE_CHECKING, ClassVar

from exporter.common.node import Node
from exporter.common.options import lazily

if TYPE_CHECKING:
    from exporter.benchmark.section import Benchmark
    from exporter.benchmark.subject import Subject
else:
    __getattr__ = lazily(__name__)


class BenchmarkNode(Node):
    """Base of the benchmarks. measures: whether anything is."""

    place: ClassVar[str] = "benchmark"
    measures: ClassVar[bool] = True

    @property
    def gate(self) -> float | None:
        """The most of the FP32 artifact's time that a build may take; None: any."""
        return None

    def measure(
        self,
        artifact: "Subject",
        reference: "Subject | None",
        core: "Subject",
        reference_core: "Subject | None",
        *,
        dynamic_batch: bool,
    ) -> "Benchmark":
        """The manifest's section `benchmark`, asked only where it `measures`. reference: the FP32 artifact, None where
        the artifact is that itself; cores: the graphs between pre- and post-processing; dynamic_batch: whether
        throughput can be tried with other batches. Raises BuildError where a run fails, or is beyond the `gate`."""
        raise NotImplementedError
