"""Images whose files hold 16 bits a value: all 16 of them, where Pillow keeps the high byte of colours, and from there
to bytes by the number of bits that a camera has used."""

import re
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from exporter.common.errors import RequestError

if TYPE_CHECKING:
    import numpy as np
    from PIL.ImageFile import ImageFile

ROWS = 64  # brought to bytes at a time: looking values up takes eight bytes for each
_COLOUR = re.compile(r"(RGB|RGBA|RGBX|CMYK);16([BLN])|LA;16B")
_OTHER_ORDER = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
_PLANES = 284  # TIFF's tag: 2 where colours lie in planes of their own


def said_bits(image: "ImageFile") -> int | None:
    """From its header: how many bits the values use that Pillow gives, None where that is 16 or fewer and nobody says.

    8 for what it gives in bytes; colour with premultiplied transparency is among that, by its high byte. A PGM whose
    maximum is not 65535 has been scaled to 16 bits by it, and a TIFF can say 12. Raises ValueError for colours in
    planes of 16 bits, which it takes for bytes.
    """
    rawmode, args = _raw(image)
    if image.format == "PPM":
        deep = image.mode == "I" or (rawmode == "RGB" and image.tile[0].codec_name == "ppm" and args == ("RGB", 65535))
        scaled = isinstance(args, tuple) and args[-1] != 65535
        return (16 if scaled else None) if deep else 8
    if image.format == "TIFF" and image.mode != "I" and len(image.getbands()) > 1:
        tags = getattr(image, "tag_v2", {})
        if tags.get(_PLANES) == 2 and 16 in tags.get(258, ()):
            raise ValueError("16-bit colours in planes of their own: save them interleaved")
    if rawmode.startswith("I;12"):
        return 12
    return None if image.mode == "I" or image.mode.startswith("I;16") or _COLOUR.fullmatch(rawmode) else 8


def whole_values(image: "ImageFile", again: "Callable[[], AbstractContextManager[ImageFile]]") -> "np.ndarray":
    """uint16 [h, w] grey, [h, w, 3] RGB or [h, w, 4] CMYK, without transparency, of an image whose `said_bits` are not
    8, as it is stored; `again` opens it once more. Raises ValueError for whole numbers beyond 16 bits."""
    import numpy as np

    if image.mode == "I" or image.mode.startswith("I;16"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError("whole numbers beyond 16 bits")
        return values.astype(np.uint16)
    grey = _raw(image)[0] == "LA;16B"
    if grey:  # two values of 16 bits are four of 8, L's first
        _read_as(image, lambda raw: "RGBA")
        pairs = np.asarray(image)
        return pairs[..., 0].astype(np.uint16) << 8 | pairs[..., 1]
    if image.format == "PPM":
        _read_as(image, lambda raw: "RGB;16B", "raw")
    channels = 4 if image.mode == "CMYK" else 3
    with again() as low:
        # As if its bytes were in the other order: what Pillow then keeps as high is the low byte.
        if low.format == "PPM":
            _read_as(low, lambda raw: "RGB;16L", "raw")
        else:
            _read_as(low, lambda raw: raw[:-1] + _OTHER_ORDER[raw[-1]])
        values = np.asarray(image)[..., :channels].astype(np.uint16)
        values <<= 8
        values |= np.asarray(low)[..., :channels]
    return values


def in_bytes(values: "np.ndarray", bits: int, place: object) -> "np.ndarray":
    """uint16 values that use so many bits → uint8 over its whole range: of 16 bits the high byte, of fewer the nearest
    to value · 255 / (2^bits − 1). Raises RequestError that begins with `place` for a value beyond them."""
    import numpy as np

    most, largest = 2**bits - 1, int(values.max())
    if largest > most:
        raise RequestError(
            f"{place}: holds {largest}, and {bits} bits end at {most}: give a bit_depth of {largest.bit_length()} or"
            " more, or auto"
        )
    every = np.arange(most + 1, dtype=np.uint64)
    table = (every >> 8 if bits == 16 else (every * 510 + most) // (2 * most)).astype(np.uint8)
    scaled = np.empty(values.shape, np.uint8)
    for row in range(0, len(values), ROWS):
        scaled[row : row + ROWS] = table[values[row : row + ROWS]]
    return scaled


def _raw(image: "ImageFile") -> tuple[str, object]:
    """How its values lie in the file, in Pillow's word, and all that its decoder is given."""
    tiles = getattr(image, "tile", [])
    args = tiles[0].args if tiles else ""
    word = args[0] if isinstance(args, tuple) and args else args
    return word if isinstance(word, str) else "", args


def _read_as(image: "ImageFile", name: Callable[[str], str], decoder: str | None = None) -> None:
    """Has Pillow take the values in the file for others, before it reads them."""
    rawmode, args = _raw(image)
    if decoder:
        args = ("", 0, 1)
    rest = args[1:] if isinstance(args, tuple) else None
    new = name(rawmode) if rest is None else (name(rawmode), *rest)
    image.tile = [tile._replace(codec_name=decoder or tile.codec_name, args=new) for tile in image.tile]
