"""What every calibration gives: network inputs one at a time, and afterwards how many they were and their digest."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

Source = Callable[[], Iterator[tuple["np.ndarray", "np.ndarray"]]]


class CalibrationImages:
    """An iterable of network inputs, float32 [1, 3, H, W], normalised as in training.

    Nothing but a digest is kept of each, and each pass makes the same ones again. `files` is the number of picture
    files they come from, `notes` counts what was odd about the way to them, see `exporter.evaluation.notes`.
    """

    def __init__(self, source: Source, num_images: int, files: int = 0, notes: Mapping[str, int] | None = None):
        """source: starts a pass, which gives pairs of the pixels as they were read and the network input; num_images:
        how many pairs that will be at most."""
        self._source = source
        self._num_images = num_images
        self._digest: str | None = None
        self._duplicates = 0
        self.files = files
        self.notes = dict(notes or {})

    def __iter__(self) -> "Iterator[np.ndarray]":
        sha256, count = hashlib.sha256(), 0
        seen: set[bytes] = set()
        for pixels, network_input in self._source():
            content = pixels.tobytes()
            sha256.update(content)
            seen.add(hashlib.sha256(content).digest())
            count += 1
            yield network_input
        self._digest, self._num_images, self._duplicates = sha256.hexdigest(), count, count - len(seen)

    def pairs(self) -> "Iterator[tuple[np.ndarray, np.ndarray]]":
        """Starts a pass that is not counted: the pixels as they were read, and the network input."""
        return self._source()

    def read_all(self) -> None:
        """Makes a full pass, unless there was one."""
        if self._digest is None:
            for _ in self:
                pass

    @property
    def num_images(self) -> int:
        """How many there are: before a full pass at most this many, after one exactly."""
        return self._num_images

    @property
    def duplicates(self) -> int:
        """How many are the same, pixel by pixel, as one before them; known after a full pass."""
        return self._duplicates

    @property
    def digest(self) -> str:
        """sha256 over all pictures' pixels as they were read, in order. Raises RuntimeError before a full pass."""
        if self._digest is None:
            raise RuntimeError("the digest of calibration pictures is known once all of them have been read")
        return self._digest
