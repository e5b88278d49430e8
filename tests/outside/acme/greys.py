"""A set of calibration images."""

import numpy as np

from exporter.calibration import CalibrationNode
from exporter.calibration.images import CalibrationImages


class Greys(CalibrationNode):
    def images(self, geometry, normalization) -> CalibrationImages:
        def pairs():
            for i in range(self.num_images):
                image = np.full((geometry.height, geometry.width, 3), 40 * i, np.uint8)
                image[::2] += 9
                yield image, normalization.apply(image.transpose(2, 0, 1)[None])

        return CalibrationImages(pairs, self.num_images)
