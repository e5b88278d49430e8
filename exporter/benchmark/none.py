"""No benchmark."""

from typing import ClassVar

from exporter.benchmark import BenchmarkNode


class NoBenchmark(BenchmarkNode):
    """conf/benchmark/none.yaml."""

    measures: ClassVar[bool] = False
