"""How accurate an artifact is: data sets with labels, and mAP on them.

Not here: whether the artifact is the network (`proof`), and how fast it is (`benchmark`).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from exporter.common.node import Node
from exporter.common.options import lazily

if TYPE_CHECKING:
    from exporter.evaluation.examples import Examples
else:
    __getattr__ = lazily(__name__)


class Gates(NamedTuple):
    """In points of mAP@[.5:.95], of 100, None where there is no bound: what quantization may cost against the FP32
    artifact of the same recipe; what the artifact has to reach by itself."""

    max_drop: float | None = None
    min_map: float | None = None


class EvaluationNode(Node, ABC):
    """Base of the evaluations. measures: whether anything is; users: whether the images are the user's own."""

    place: ClassVar[str] = "evaluation"
    measures: ClassVar[bool] = True
    users: ClassVar[bool] = True

    @property
    def gates(self) -> Gates:
        """Beyond these the build fails."""
        return Gates()

    def problems(self) -> Iterator[str]:
        """Clauses for labels and images that cannot be read, or contradict each other."""
        yield from ()

    @abstractmethod
    def examples(self, class_names: Sequence[str], height: int, width: int) -> "Examples":
        """The labelled images; synthetic ones are drawn at height × width. Raises RequestError for labels that cannot
        be right, and where their classes are not the model's."""
