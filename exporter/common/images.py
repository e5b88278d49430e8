"""Reading images: any of the common kinds to RGB bytes, the same on every run, or one line that says why not."""

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from exporter.common.errors import RequestError
from exporter.common.files import check_file
from exporter.common.sixteen_bits import in_bytes, said_bits, whole_values

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image
    from PIL.ImageFile import ImageFile

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
MAX_PIXELS = 150_000_000  # 450 MB as RGB; a small file can claim more than any memory holds
MAX_BYTES = 1_000_000_000  # of a file
ORIENTATION = 0x0112  # EXIF's tag


def read_image(path: Path, bit_depth: int = 16) -> "np.ndarray":
    """uint8 [h, w, 3] RGB, turned upright as its EXIF orientation says.

    Grey, palette, CMYK and 16-bit images are converted, transparency is dropped, of an animation the first frame is
    taken. bit_depth: how many of its 16 bits, 8 to 16, an image uses that does not say so itself, as 10, 12 and 14 of a
    camera's; all of that range becomes 0..255. Raises RequestError that names the file: missing, not a file, not an
    image, damaged, over `MAX_PIXELS`, or with values beyond `bit_depth`.
    """
    import numpy as np
    from PIL import ImageOps

    with _opened(path) as image:
        if (said := said_bits(image)) == 8:
            return np.array(_rgb(ImageOps.exif_transpose(image)))
        values = in_bytes(whole_values(image, lambda: _opened(path)), bit_depth if said is None else said, path)
        return np.array(_rgb(_upright(values, image)))


def largest_value(path: Path) -> int | None:
    """Of a 16-bit image that does not say how many bits it uses; None of any other, of which only the header is read.
    Raises as `read_image`."""
    with _opened(path) as image:
        return None if said_bits(image) is not None else int(whole_values(image, lambda: _opened(path)).max())


def is_deep(path: Path) -> bool:
    """From its header: whether it has 16 bits and does not say how many it uses. Raises as `image_size`."""
    with _opened(path) as image:
        return said_bits(image) is None


def image_size(path: Path) -> tuple[int, int]:
    """Height and width of the image as `read_image` gives it, from the file's header alone; raises as that does,
    except for damage behind the header."""
    with _opened(path) as image:
        return (image.width, image.height) if _is_turned(image) else (image.height, image.width)


def is_turned(path: Path) -> bool:
    """Whether its EXIF orientation swaps the sides that it is stored with; raises as `image_size`."""
    with _opened(path) as image:
        return _is_turned(image)


@contextlib.contextmanager
def _opened(path: Path) -> "Iterator[ImageFile]":
    """The file, opened; whatever its decoder raises while it is used becomes a RequestError that names it."""
    from PIL import Image, UnidentifiedImageError

    if check_file(path, "give an image file", MAX_BYTES) == 0:
        raise RequestError(f"{path}: the file is empty: replace or remove it")
    Image.init()  # registers the formats; `open` does it by itself only if it is given none
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata and of large images, which have a limit of our own
        try:
            with Image.open(path, formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise RequestError(
                        f"{path}: {image.width} x {image.height} pixels: give images of at most"
                        f" {MAX_PIXELS // 1_000_000} million pixels"
                    )
                yield image
        except (RequestError, MemoryError):
            raise
        except UnidentifiedImageError:
            raise RequestError(f"{path}: not an image: give one of {', '.join(FORMATS)}") from None
        except Exception as error:  # decoders of damaged files raise OSError, SyntaxError, ValueError, struct.error, …
            reason = " ".join(str(error).split()) or type(error).__name__
            raise RequestError(f"{path}: the image cannot be read ({reason}): replace or remove it") from error


def _is_turned(image: "Image.Image") -> bool:
    return image.getexif().get(ORIENTATION) in (5, 6, 7, 8)  # a quarter turn, with or without a mirror


def _upright(values: "np.ndarray", stored: "Image.Image") -> "Image.Image":
    """Bytes of an image as it is stored, turned as its EXIF orientation says."""
    from PIL import Image, ImageOps

    image = Image.fromarray(values, "CMYK" if stored.mode == "CMYK" else None)
    image.getexif()[ORIENTATION] = stored.getexif().get(ORIENTATION, 1)
    return ImageOps.exif_transpose(image)


def _rgb(image: "Image.Image") -> "Image.Image":
    """Any mode of up to 8 bits that an image file can have → RGB."""
    if image.mode == "F":
        raise ValueError("floating-point pixels, whose range nothing says: save them with 8 or 16 bits")
    return image.convert("RGB")
