"""No evaluation."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from exporter.common.node import Node
from exporter.evaluation.examples import Examples


class NoEvaluation(Node):
    """conf/evaluation/none.yaml."""

    name: ClassVar[str] = "none"
    max_drop: ClassVar[None] = None
    min_map: ClassVar[None] = None

    def problems(self) -> Iterator[str]:
        """None."""
        yield from ()

    def examples(self, class_names: Sequence[str], height: int, width: int) -> Examples:
        """No pictures, so nothing is run."""
        return Examples([], {})
