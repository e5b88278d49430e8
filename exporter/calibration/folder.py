"""Calibration on a folder of images."""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pydantic import Field

from exporter.calibration import CalibrationNode
from exporter.calibration.images import CalibrationImages
from exporter.common.bit_depth import BitDepth, Depth
from exporter.common.errors import RequestError
from exporter.common.files import files_digest, user_path
from exporter.common.geometry import Geometry
from exporter.common.image_files import list_images, whole_size
from exporter.evaluation.notes import Notes
from exporter.preprocessing.own_normalization import AnyNormalization

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")


class FolderCalibration(CalibrationNode):
    """Images of any sizes, spread evenly over the folder and those below it in the order of their paths."""

    moved: ClassVar[Mapping[str, str]] = {"--pictures FOLDER": "path"}

    path: str = Field(coerce_numbers_to_str=True)  # a folder may be called 2024
    seed: int = Field(ge=0)
    bit_depth: BitDepth = "auto"

    def identity(self) -> dict[str, Any]:
        """The chosen images by their digests, wherever they lie."""
        return super().identity() | {"path": files_digest(self._chosen()[0])}

    def problems(self, weights: str) -> Iterator[str]:
        """A clause if there are no images; none of them is opened."""
        try:
            self._chosen()
        except RequestError as error:
            yield str(error)

    def images(self, geometry: Geometry, normalization: AnyNormalization) -> CalibrationImages:
        """The images as network inputs, resized and padded as for inference; `digest` is over uint8 [h, w, 3] RGB as
        decoded. Raises RequestError for a folder without images, at once, and during a pass for images that
        cannot be read: at its beginning for all that are none or half of one."""
        files, notes = self._chosen()
        depth = Depth(files, self.bit_depth)

        def images() -> "Iterator[tuple[np.ndarray, np.ndarray]]":
            check_whole(files)
            for file in files:
                image = depth.read(file)
                yield image, normalization.apply(geometry.apply(image).transpose(2, 0, 1)[None])

        return CalibrationImages(images, len(files), depth, notes)

    def _chosen(self) -> tuple[list[Path], Mapping[str, int]]:
        """The files, and what was odd about the way to them, see `exporter.evaluation.notes`."""
        files = list_images(user_path(self.path), "calibration.path", deep=True)
        return self._some(files), {}

    def _some(self, every: Sequence[T]) -> list[T]:
        """Those of them that are taken: see `spread`."""
        return spread(every, self.num_images, self.seed)


def check_whole(files: Iterable[Path]) -> None:
    """Raises RequestError, one for all of them, for files that are no images or not there to their end."""
    notes = Notes(strict=False)
    for file in files:
        with notes.collecting():
            whole_size(file)
    notes.check()


def spread(files: Sequence[T], count: int, seed: int) -> list[T]:
    """At most `count` of the files, in order: one of each of `count` equal stretches, since neighbours are often alike
    (frames of one video); which one, the seed says."""
    generator = random.Random(seed)
    count = min(count, len(files))
    bounds = [i * len(files) // count for i in range(count + 1)]
    return [files[generator.randrange(*stretch)] for stretch in pairwise(bounds)]
