"""How many bits the 16-bit images of a set use: cameras write 10, 12 or 14 of them, and no header says so."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from pydantic import Field

from exporter.common.errors import RequestError
from exporter.common.images import is_deep, largest_value, read_image

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")
BitDepth = Literal["auto"] | Annotated[int, Field(ge=8, le=16)]
"""Of 16-bit images: a number of bits, or `auto`, what they are found to use."""

USUAL = (8, 10, 12, 14, 16)


class Depth:
    """One for all images of a set, whatever order they are read in: where each had its own, two alike would differ."""

    def __init__(self, files: Sequence[Path], given: BitDepth = "auto"):
        """Looks at nothing yet."""
        self.files, self._given = files, given

    @cached_property
    def bits(self) -> int | None:
        """The number that was given, or the least of `USUAL` that holds every value of the set's 16-bit images; None
        where there is none. Those that cannot be read are passed over: whoever reads them is told."""
        if isinstance(self._given, int):
            return self._given if any(self._of_each(is_deep)) else None
        largest = max((value for value in self._of_each(largest_value) if value is not None), default=None)
        return None if largest is None else next(bits for bits in USUAL if largest < 2**bits)

    def read(self, file: Path) -> "np.ndarray":
        """uint8 [h, w, 3] RGB of one of the set's images; raises as `read_image`."""
        return read_image(file, self.bits or 16)

    def said(self, what: str, key: str) -> str | None:
        """The line for people where fewer than 16 were found; None otherwise.

        what: whose images they are; key: how another number is given, all but the number."""
        if self._given != "auto" or self.bits in (None, 16):
            return None
        return f"{what}: 16-bit images hold {self.bits} bits: scaled by that; {key}16 says otherwise"

    def _of_each(self, look: Callable[[Path], T]) -> Iterator[T]:
        for file in self.files:
            with suppress(RequestError):
                yield look(file)
