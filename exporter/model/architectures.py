"""The networks that the exporter knows by name, and what belongs to each: how it was trained, its usual thresholds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from exporter.model.networks import NETWORKS
from exporter.preprocessing.ppyoloe import PPYoloE
from exporter.preprocessing.yolo_nas import YoloNas

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Architecture:
    """`create(num_classes)` gives the unfused torch network; restricted: whether the licence of the published COCO
    weights forbids a use, and so has to be accepted."""

    create: Callable[[int], "nn.Module"]
    preprocessing: Any
    confidence_threshold: float
    nms_threshold: float
    restricted: bool


def _yolo_nas(name: str) -> Architecture:
    return Architecture(NETWORKS[name], YoloNas(), 0.25, 0.7, restricted=True)


def _ppyoloe(name: str) -> Architecture:
    return Architecture(NETWORKS[name], PPYoloE(), 0.5, 0.65, restricted=False)


ARCHITECTURES = {name: _yolo_nas(name) if name.startswith("yolo_nas") else _ppyoloe(name) for name in NETWORKS}
