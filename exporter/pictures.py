"""Reading pictures: any of the common kinds to RGB bytes, the same on every run, or one line that says why not."""

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from exporter.errors import RequestError
from exporter.files import check_file, exists, is_folder

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
MAX_PIXELS = 150_000_000  # 450 MB as RGB; a small file can claim more than any memory holds
MAX_BYTES = 1_000_000_000  # of a file
ORIENTATION = 0x0112  # EXIF's tag


def read_picture(path: Path) -> "np.ndarray":
    """uint8 [h, w, 3] RGB, turned upright as its EXIF orientation says.

    Grey, palette, CMYK and 16-bit pictures are converted (16 bits by their high byte), transparency is dropped, of an
    animation the first frame is taken. Raises RequestError that names the file: missing, not a file, not a picture,
    damaged, or over `MAX_PIXELS`.
    """
    import numpy as np
    from PIL import ImageOps

    with _opened(path) as image:
        return np.array(_rgb(ImageOps.exif_transpose(image)))


def picture_size(path: Path) -> tuple[int, int]:
    """Height and width of the picture as `read_picture` gives it, from the file's header alone; raises as that does,
    except for damage behind the header."""
    with _opened(path) as image:
        return (image.width, image.height) if _is_turned(image) else (image.height, image.width)


def is_turned(path: Path) -> bool:
    """Whether its EXIF orientation swaps the sides that it is stored with; raises as `picture_size`."""
    with _opened(path) as image:
        return _is_turned(image)


@contextlib.contextmanager
def _opened(path: Path) -> "Iterator[Image.Image]":
    """The file, opened; whatever its decoder raises while it is used becomes a RequestError that names it."""
    from PIL import Image, UnidentifiedImageError

    if check_file(path, "give a picture file", MAX_BYTES) == 0:
        raise RequestError(f"{path}: the file is empty: replace or remove it")
    Image.init()  # registers the formats; `open` does it by itself only if it is given none
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata and of large pictures, which have a limit of our own
        try:
            with Image.open(path, formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise RequestError(
                        f"{path}: {image.width} x {image.height} pixels: give pictures of at most"
                        f" {MAX_PIXELS // 1_000_000} million pixels"
                    )
                yield image
        except (RequestError, MemoryError):
            raise
        except UnidentifiedImageError:
            raise RequestError(f"{path}: not a picture: give one of {', '.join(FORMATS)}") from None
        except Exception as error:  # decoders of damaged files raise OSError, SyntaxError, ValueError, struct.error, …
            reason = " ".join(str(error).split()) or type(error).__name__
            raise RequestError(f"{path}: the picture cannot be read ({reason}): replace or remove it") from error


def _is_turned(image: "Image.Image") -> bool:
    return image.getexif().get(ORIENTATION) in (5, 6, 7, 8)  # a quarter turn, with or without a mirror


def list_pictures(folder: Path, label: str, deep: bool = False) -> list[Path]:
    """The pictures that lie in `folder`, by suffix, sorted by name; those below it too where it is `deep`, in the order
    of their paths; not hidden ones.

    Raises RequestError that begins with `label`, the key that named the folder: missing, not a folder, none in it.
    """
    given = f"{label}={folder}"
    if not is_folder(folder):
        what = "is not a folder" if exists(folder) else "does not exist"
        raise RequestError(f"{given}: {what}: give a folder of pictures ({', '.join(SUFFIXES)})")
    from exporter.picture_files import find_pictures

    try:
        files, _ = find_pictures(folder, deep)
    except OSError as error:
        raise RequestError(f"{given}: {error.strerror}: give a folder that can be read") from error
    if not files:
        raise RequestError(f"{given}: no pictures in it: give a folder that holds some ({', '.join(SUFFIXES)})")
    return files


def _rgb(image: "Image.Image") -> "Image.Image":
    """Any mode that a picture file can have → RGB."""
    import numpy as np
    from PIL import Image

    if image.mode == "I" or image.mode.startswith("I;16"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError("whole numbers beyond 16 bits")
        return Image.fromarray((values >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise ValueError("floating-point pixels")
    return image.convert("RGB")
