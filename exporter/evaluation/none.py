"""No evaluation."""

from collections.abc import Sequence
from typing import ClassVar

from exporter.evaluation import EvaluationNode
from exporter.evaluation.examples import Examples


class NoEvaluation(EvaluationNode):
    """conf/evaluation/none.yaml."""

    measures: ClassVar[bool] = False

    def examples(self, class_names: Sequence[str], height: int, width: int) -> Examples:
        """No images, so nothing is run."""
        return Examples([], {})
