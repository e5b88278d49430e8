"""From an image's bytes to what a network was trained on, in numbers that a program can follow."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from exporter.common.section import Section

if TYPE_CHECKING:
    import numpy as np

Triple = tuple[float, float, float]
LARGEST = 1e9
"""Of means and deviations of bytes, 0..255, and of one over a deviation: far beyond, float32 has no such numbers."""


def check_possible(mean: Sequence[float], std: Sequence[float]) -> None:
    """Raises ValueError unless a network can be fed (bytes - mean) / std, channel by channel."""
    if not len(mean) == len(std) == 3 or not all(1 / LARGEST <= value <= LARGEST for value in std):
        raise ValueError(f"std {list(std)} (of 0..255) must be three numbers above 0, {1 / LARGEST:g} to {LARGEST:g}")
    if not all(abs(value) <= LARGEST for value in mean):
        raise ValueError(f"mean {list(mean)} (of 0..255) must be three numbers of at most {LARGEST:g}")


class Normalization(Section):
    """network channel c = (rgb[order[c]] - mean[c]) / std[c], rgb in 0..255; also the manifest's description of it."""

    order: tuple[Literal[0, 1, 2], Literal[0, 1, 2], Literal[0, 1, 2]] = (0, 1, 2)
    mean: Triple = (0.0, 0.0, 0.0)
    std: Triple

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        check_possible(self.mean, self.std)
        return self

    def apply(self, rgb: "np.ndarray") -> "np.ndarray":
        """uint8 or float [B, 3, H, W] RGB in 0..255 → float32 [B, 3, H, W], the network's own input."""
        import numpy as np

        mean, std = (np.asarray(values, np.float32)[None, :, None, None] for values in (self.mean, self.std))
        return (rgb[:, list(self.order)].astype(np.float32) - mean) / std

    @property
    def keeps_bytes(self) -> bool:
        """Whether values stay what they are."""
        return (self.mean, self.std) == (UNCHANGED.mean, UNCHANGED.std)

    @property
    def input_range(self) -> tuple[float, float]:
        """The lowest and highest value that the network's input can hold for images of bytes, over all channels."""
        import numpy as np

        ends = self.apply(np.array([0, 255], np.uint8)[:, None, None, None].repeat(3, axis=1))
        return float(ends.min()), float(ends.max())


UNCHANGED = Normalization(std=(1.0, 1.0, 1.0))
"""RGB in 0..255 is the network's input."""
