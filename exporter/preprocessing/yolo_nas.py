"""YOLO-NAS: RGB in 0..1; the image is fitted into the input and centred on grey 114.

Source: the SuperGradients processing of the published COCO weights (longest side to the input's less 4 pixels,
padding 114, x / 255), as the project's contracts state it.
"""

from typing import ClassVar

from pydantic import Field

from exporter.preprocessing.declared import Declared


class YoloNas(Declared):
    """`Declared` as it already stands, but for the margin."""

    by_hand: ClassVar[bool] = False

    margin: int = Field(4, ge=0)
