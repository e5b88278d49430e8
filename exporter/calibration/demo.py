"""Calibration on the synthetic images of the demo: for its own weights, and to try things out."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from exporter.calibration import CalibrationNode, Tell
from exporter.calibration.images import CalibrationImages
from exporter.common.geometry import Geometry
from exporter.preprocessing.own_normalization import AnyNormalization

if TYPE_CHECKING:
    import numpy as np

    from exporter.demo.scenes import Scene
    from exporter.evaluation.examples import GroundTruth


class DemoCalibration(CalibrationNode):
    """Synthetic images `seed · num_images` and following of the split that is for calibration only, drawn at the
    input's size."""

    users: ClassVar[bool] = False

    seed: int = Field(ge=0)

    def images(self, geometry: Geometry, normalization: AnyNormalization) -> CalibrationImages:
        """The synthetic images as network inputs of the geometry's size; `digest` is over uint8 [H, W, 3] RGB."""

        def images() -> "Iterator[tuple[np.ndarray, np.ndarray]]":
            for each in self._synthetic(geometry):
                yield each.image, normalization.apply(geometry.apply(each.image).transpose(2, 0, 1)[None])

        return CalibrationImages(images, self.num_images)

    def ground_truths(
        self, class_names: Sequence[str], geometry: Geometry, tell: Tell = dict
    ) -> "Iterator[GroundTruth] | None":
        """What was drawn, None where the model has other classes."""
        from exporter.demo.scenes import CLASS_NAMES
        from exporter.evaluation.examples import GroundTruth

        if tuple(class_names) != CLASS_NAMES:
            return None
        transform = geometry.transform(geometry.height, geometry.width)
        synthetic = self._synthetic(geometry)
        return (GroundTruth.of(geometry.to_input(each.boxes, transform), each.classes) for each in synthetic)

    def _synthetic(self, geometry: Geometry) -> "Iterator[Scene]":
        from exporter.demo.scenes import scene

        first = self.seed * self.num_images
        for index in range(first, first + self.num_images):
            yield scene("calibration", index, geometry.height, geometry.width)
