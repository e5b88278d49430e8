"""The networks that the exporter knows by name, and what belongs to each: how it was trained, its usual thresholds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from exporter.preprocessing.ppyoloe import PPYoloE as PPYoloEPreprocessing
from exporter.preprocessing.yolo_nas import YoloNas as YoloNasPreprocessing

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Architecture:
    """`create(num_classes)` gives the unfused torch network; `coco_licence` is that of the published COCO weights."""

    create: Callable[[int], "nn.Module"]
    preprocessing: Any
    confidence_threshold: float
    nms_threshold: float
    coco_licence: str
    restricted: bool  # whether that licence forbids a use, and so has to be accepted


def _yolo_nas(size: str) -> Architecture:
    def create(num_classes: int) -> "nn.Module":
        from exporter.model.yolo_nas import YoloNas

        return YoloNas(size, num_classes)

    licence = "Deci YOLO-NAS licence: non-commercial use only"
    return Architecture(
        create,
        YoloNasPreprocessing(),
        confidence_threshold=0.25,
        nms_threshold=0.7,
        coco_licence=licence,
        restricted=True,
    )  # fmt: skip


def _ppyoloe(size: str) -> Architecture:
    def create(num_classes: int) -> "nn.Module":
        from exporter.model.ppyoloe import PPYoloE

        return PPYoloE(size, num_classes)

    # SuperGradients' own, which its maintainers said holds for these weights (Deci-AI/super-gradients, issue 983).
    licence = "Apache-2.0 licence of SuperGradients"
    return Architecture(
        create,
        PPYoloEPreprocessing(),
        confidence_threshold=0.5,
        nms_threshold=0.65,
        coco_licence=licence,
        restricted=False,
    )  # fmt: skip


ARCHITECTURES = {f"yolo_nas_{size}": _yolo_nas(size) for size in ("s", "m", "l")}
ARCHITECTURES |= {f"ppyoloe_{size}": _ppyoloe(size) for size in ("s", "m", "l", "x")}
