"""The networks that the demo can train, by name."""

from collections.abc import Callable

from exporter.model.dfl import DflDetector
from exporter.model.yolo_nas import YoloNas

NETWORKS: dict[str, Callable[[int], DflDetector]] = {
    "yolo_nas_s": lambda num_classes: YoloNas("s", num_classes),
    "yolo_nas_m": lambda num_classes: YoloNas("m", num_classes),
    "yolo_nas_l": lambda num_classes: YoloNas("l", num_classes),
}
"""name -> network with fresh weights for that number of classes, in training layout."""
