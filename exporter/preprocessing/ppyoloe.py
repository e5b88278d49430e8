"""PP-YOLOE: BGR less ImageNet's mean and over its deviation; the image is stretched to the input.

Source: the SuperGradients processing of the published COCO weights (channels reversed, then mean and deviation as
ImageNet gives them for RGB, in that order; resize without keeping proportions), as the project's contracts state it.
"""

from typing import ClassVar, Literal

from pydantic import Field

from exporter.preprocessing.declared import Declared
from exporter.preprocessing.normalization import Triple


class PPYoloE(Declared):
    """`Declared` with these values."""

    by_hand: ClassVar[bool] = False

    max_value: float = Field(1.0, gt=0, allow_inf_nan=False)
    mean: Triple = (123.675, 116.28, 103.53)
    std: Triple = (58.395, 57.12, 57.375)
    channels: Literal["rgb", "bgr"] = "bgr"
    resize: Literal["letterbox", "longest_side", "stretch"] = "stretch"
