"""What every calibration gives: network inputs one at a time, and afterwards how many they were, their digest, and
which of them show nothing."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from exporter.common.bit_depth import Depth
from exporter.common.contrast import has_contrast

if TYPE_CHECKING:
    import numpy as np

Source = Callable[[], Iterator[tuple["np.ndarray", "np.ndarray"]]]


class CalibrationImages:
    """An iterable of network inputs, float32 [1, 3, H, W], normalised as in training.

    Nothing but a digest is kept of each, and each pass makes the same ones again. `files` is the number of image
    files they come from, `depth` how many bits those of 16 bits use, `notes` counts what was odd about the way to them,
    see `exporter.evaluation.notes`. After a full pass `num_images` is how many there are (before, the most),
    `duplicates` how many are the same, pixel by pixel, as one before them, `flat` the names of those without contrast
    (see `exporter.common.contrast`).
    """

    def __init__(
        self, source: Source, num_images: int, depth: Depth | None = None, notes: Mapping[str, int] | None = None
    ):
        """source: starts a pass, which gives pairs of the pixels as they were read and the network input; num_images:
        how many pairs that will be at most; depth: of the files that they are read from, one for each, in order."""
        self._source = source
        self.num_images = num_images
        self._digest: str | None = None
        self.duplicates = 0
        self.flat: list[str] = []
        self.depth = depth or Depth([])
        self.files = len(self.depth.files)
        self.notes = dict(notes or {})

    def __iter__(self) -> "Iterator[np.ndarray]":
        sha256, count = hashlib.sha256(), 0
        seen: set[bytes] = set()
        flat: list[str] = []
        for pixels, network_input in self._source():
            content = pixels.tobytes()
            sha256.update(content)
            seen.add(hashlib.sha256(content).digest())
            if not has_contrast(pixels):
                flat.append(self.depth.files[count].name if self.files else f"image {count}")
            count += 1
            yield network_input
        self._digest, self.num_images, self.duplicates = sha256.hexdigest(), count, count - len(seen)
        self.flat = flat

    def pairs(self) -> "Iterator[tuple[np.ndarray, np.ndarray]]":
        """Starts a pass that is not counted: the pixels as they were read, and the network input."""
        return self._source()

    def read_all(self) -> None:
        """Makes a full pass, unless there was one."""
        if self._digest is None:
            for _ in self:
                pass

    @property
    def digest(self) -> str:
        """sha256 over all images' pixels as they were read, in order. Raises RuntimeError before a full pass."""
        if self._digest is None:
            raise RuntimeError("the digest of calibration images is known once all of them have been read")
        return self._digest
