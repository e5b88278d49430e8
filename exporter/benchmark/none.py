"""No benchmark."""

from typing import ClassVar

from exporter.common.node import Node


class NoBenchmark(Node):
    """conf/benchmark/none.yaml."""

    name: ClassVar[str] = "none"
