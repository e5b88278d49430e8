"""How the networks that the exporter knows are created, and the licence of their published weights."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def _yolo_nas(size: str, num_classes: int) -> "nn.Module":
    from exporter.model.yolo_nas import YoloNas

    return YoloNas(size, num_classes)


def _ppyoloe(size: str, num_classes: int) -> "nn.Module":
    from exporter.model.ppyoloe import PPYoloE

    return PPYoloE(size, num_classes)


NETWORKS: dict[str, Callable[[int], "nn.Module"]] = {
    **{f"yolo_nas_{size}": partial(_yolo_nas, size) for size in ("s", "m", "l")},
    **{f"ppyoloe_{size}": partial(_ppyoloe, size) for size in ("s", "m", "l", "x")},
}
"""Number of classes → the unfused network, by name."""

DECI = "Deci YOLO-NAS licence: non-commercial use only"
# SuperGradients' own, which its maintainers said holds for these weights (Deci-AI/super-gradients, issue 983).
SUPERGRADIENTS = "Apache-2.0 licence of SuperGradients"
COCO_LICENCES = {name: DECI if name.startswith("yolo_nas") else SUPERGRADIENTS for name in NETWORKS}
"""Of the weights that were published for COCO."""
