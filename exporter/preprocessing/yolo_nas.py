"""YOLO-NAS: RGB in 0..1; the picture is fitted into the input and centred on grey 114.

Source: the SuperGradients processing of the published COCO weights (longest side to the input's less 4 pixels,
padding 114, x / 255), as the project's contracts state it.
"""

from typing import ClassVar

from exporter.geometry import Geometry
from exporter.node import Node
from exporter.preprocessing.normalization import Normalization


class YoloNas(Node):
    """Normalisation inside the graph, geometry outside."""

    inside_graph: ClassVar[bool] = True
    normalization: ClassVar[Normalization] = Normalization(std=(255.0, 255.0, 255.0))

    def geometry(self, height: int, width: int) -> Geometry:
        """How a picture of any size becomes one of height × width pixels."""
        return Geometry.fit(height, width, margin=4, padding=114)
