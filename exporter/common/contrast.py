"""Images without contrast: a covered lens, or values read by the wrong number of bits. They teach and prove nothing."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

LEAST = 0.02  # of the scale, between an image's darkest value and its brightest
SHOWN = 3


def has_contrast(pixels: "np.ndarray") -> bool:
    """Of uint8 pixels, 0..255; of others, whose scale nobody knows, whether they differ at all."""
    least, most = pixels.min(), pixels.max()
    return bool(int(most) - int(least) >= LEAST * 255 if pixels.dtype == "uint8" else most > least)


def low_contrast_line(flat: Sequence[str], total: int, fix: str) -> str | None:
    """The line that names those without contrast, None where there are none.

    total: of how many; fix: what to do."""
    if not flat:
        return None
    more = f" and {len(flat) - SHOWN} more" if len(flat) > SHOWN else ""
    named = ", ".join(flat[:SHOWN])
    return f"{len(flat)} of {total} images have no contrast ({named}{more}): {fix}"
