"""Calibration on the synthetic scenes of the demo: for its own weights, and to try things out."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from exporter.calibration.images import CalibrationImages
from exporter.calibration.settings import CalibrationNode
from exporter.geometry import Geometry
from exporter.preprocessing.normalization import Normalization

if TYPE_CHECKING:
    import numpy as np


class DemoCalibration(CalibrationNode):
    """Scenes `seed · num_images` and following of the split that is for calibration only, drawn at the input's size."""

    seed: int = Field(ge=0)

    def problems(self, weights: str) -> Iterator[str]:
        """None: whoever names the demo scenes gets them."""
        yield from ()

    def images(self, geometry: Geometry, normalization: Normalization) -> CalibrationImages:
        """The scenes as network inputs of the geometry's size; `digest` is over uint8 [H, W, 3] RGB."""

        def scenes() -> "Iterator[tuple[np.ndarray, np.ndarray]]":
            from exporter.demo.scenes import scene

            for index in range(self.num_images):
                picture = scene(
                    "calibration", self.seed * self.num_images + index, geometry.height, geometry.width
                ).image
                yield picture, normalization.apply(geometry.apply(picture).transpose(2, 0, 1)[None])

        return CalibrationImages(scenes, self.num_images)
