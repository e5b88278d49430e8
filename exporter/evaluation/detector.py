"""Runs an artifact by what its manifest says, and nothing else: from images of any size to boxes in their pixels."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from exporter.common.errors import BuildError, RequestError
from exporter.common.messages import in_one_line
from exporter.postprocessing.detections import Detections, Read, rows
from exporter.preprocessing.encode import encode
from exporter.preprocessing.section import Input, Preprocessing

if TYPE_CHECKING:
    from exporter.runtime.engine import Runnable


class Detector:
    """An artifact ready to run in an engine. `size`: the height and width that images are brought to, for one that
    takes several (None: its nominal ones); `read`: see `FormatNode.read`, None: one of the exporter's own formats.
    Raises RequestError where it gives no finished detections, or does not take that size."""

    def __init__(
        self,
        session: "Runnable",
        input: Input,
        preprocessing: Preprocessing,
        size: tuple[int, int] | None = None,
        read: Read | None = None,
    ):
        self._session = session
        self._input, self._preprocessing = input, preprocessing
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._read = read or rows
        if read is None and "pred_classes" not in self._outputs and "flat_predictions" not in self._outputs:
            raise RequestError("the artifact has no NMS inside (postprocessing/nms=none), so it gives no detections")
        if preprocessing.geometry is None:
            raise RequestError("the manifest has no geometry: how an image becomes the input is not known")
        self._geometry = preprocessing.geometry
        if size is not None:
            if preprocessing.geometry_inside_graph:
                raise RequestError("the artifact takes images of any size and resizes them inside: give no size")
            input.check_image(*size)
            self._geometry = self._geometry.at(*size)

    @property
    def batch(self) -> int:
        """How many images one run takes; 1 where any number goes."""
        fixed = self._input.shape[0]
        return fixed if isinstance(fixed, int) else 1  # also of one raw image, whose first dimension is its height

    def __call__(self, images: Sequence[np.ndarray]) -> Iterator[Detections]:
        """uint8 [h, w, 3] RGB images of any sizes → detections with boxes in each image's own pixels, clipped."""
        step = self.batch
        for start in range(0, len(images), step):
            group = list(images[start : start + step])
            filled = group + [group[-1]] * (step - len(group))  # a fixed batch is filled up; the extra rows are dropped
            inside = self._preprocessing.geometry_inside_graph
            fitted = filled if inside else [self._geometry.apply(image) for image in filled]
            batch = encode(np.stack(fitted), self._input, self._preprocessing)
            outputs = self._session.run(None, {self._input.name: batch})
            try:
                found = self._read(dict(zip(self._outputs, outputs, strict=True)), len(filled))
            except (LookupError, ValueError, TypeError) as error:
                raise BuildError(f"what the artifact gives is not in its format: {in_one_line(error)}") from error
            for image, detections in zip(group, found, strict=False):
                if not (np.isfinite(detections.boxes).all() and np.isfinite(detections.scores).all()):
                    raise BuildError("the artifact gives boxes or scores that are no numbers: verify it")
                yield detections if inside else self._in_image(detections, *image.shape[:2])

    def _in_image(self, found: Detections, height: int, width: int) -> Detections:
        """Detections in pixels of the input → in pixels of an image of height × width, clipped to it."""
        boxes = self._geometry.to_image(found.boxes, self._geometry.transform(height, width), height, width)
        return Detections(boxes, found.scores, found.classes)
