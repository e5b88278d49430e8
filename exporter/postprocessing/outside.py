"""NMS outside the graph: how all boxes become detections where a format leaves it to whoever reads them.

The contract's own rules, in plain numpy: what the exporter's verbs show and score is then what an NMS inside would have
given, up to the limits of the format.
"""

from collections.abc import Mapping

import numpy as np

from exporter.postprocessing import reference
from exporter.postprocessing.detections import Detections, Read, ReadBoxes
from exporter.postprocessing.parameters import NmsParameters


def suppressed(read_boxes: ReadBoxes, parameters: NmsParameters) -> Read:
    """Reads detections: the boxes that `read_boxes` gives, after NMS."""

    def read(outputs: Mapping[str, np.ndarray], batch: int) -> list[Detections]:
        found = read_boxes(outputs, batch)
        return [Detections.of_rows(reference.detections(each.boxes, each.scores, parameters)) for each in found]

    return read


def in_words(parameters: NmsParameters) -> str:
    """A line on what is done outside, and with which thresholds."""
    confidence, overlap = parameters.confidence_threshold, parameters.nms_threshold
    return f"NMS is not in the graph: applied outside it (score above {confidence:g}, IoU {overlap:g})"
