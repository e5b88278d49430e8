"""A labelled data set."""

from collections.abc import Sequence

import numpy as np

from exporter.evaluation import EvaluationNode
from exporter.evaluation.examples import Example, Examples, GroundTruth


class Squares(EvaluationNode):
    def examples(self, class_names: Sequence[str], height: int, width: int) -> Examples:
        def image(i: int) -> np.ndarray:
            drawn = np.zeros((height, width, 3), np.uint8)
            drawn[16:48, 16:48, i] = 255
            return drawn

        boxes = np.array([[16.0, 16.0, 48.0, 48.0]])
        named = [Example(f"square {i}", GroundTruth.of(boxes, np.array([i])), lambda i=i: image(i)) for i in range(2)]
        return Examples(named, {})
