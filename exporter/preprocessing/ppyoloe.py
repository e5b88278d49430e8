"""PP-YOLOE: BGR less ImageNet's mean and over its deviation; the picture is stretched to the input.

Source: the SuperGradients processing of the published COCO weights (channels reversed, then mean and deviation as
ImageNet gives them for RGB, in that order; resize without keeping proportions), as the project's contracts state it.
"""

from typing import ClassVar

from exporter.geometry import Geometry
from exporter.node import Node
from exporter.preprocessing.normalization import Normalization


class PPYoloE(Node):
    """Normalisation inside the graph, geometry outside."""

    inside_graph: ClassVar[bool] = True
    normalization: ClassVar[Normalization] = Normalization(
        order=(2, 1, 0), mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375)
    )

    def geometry(self, height: int, width: int) -> Geometry:
        """How a picture of any size becomes one of height × width pixels."""
        return Geometry.stretch(height, width)
