"""Image files before they are decoded: which there are below a folder, and whether they are there to their end."""

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from exporter.common.errors import RequestError
from exporter.common.files import exists, is_folder
from exporter.common.images import SUFFIXES, image_size, read_image

LEFT_OUT = ("__MACOSX", "@eaDir")
"""Folders in which archives and storage systems keep what is theirs, under the names of the images."""


def list_images(folder: Path, label: str, deep: bool = False) -> list[Path]:
    """The images that lie in `folder`, by suffix, sorted by name; those below it too where it is `deep`, in the order
    of their paths; not hidden ones.

    Raises RequestError that begins with `label`, the key that named the folder: missing, not a folder, none in it.
    """
    given = f"{label}={folder}"
    if not is_folder(folder):
        what = "is not a folder" if exists(folder) else "does not exist"
        raise RequestError(f"{given}: {what}: give a folder of images ({', '.join(SUFFIXES)})")
    try:
        files, _ = find_images(folder, deep)
    except OSError as error:
        raise RequestError(f"{given}: {error.strerror}: give a folder that can be read") from error
    if not files:
        raise RequestError(f"{given}: no images in it: give a folder that holds some ({', '.join(SUFFIXES)})")
    return files


def find_images(folder: Path, deep: bool = True) -> tuple[list[Path], int]:
    """The images in a folder and, if `deep`, below it to the bottom, by suffix, in the order of their paths; and how
    many were passed over: hidden ones (`._a.jpg` of macOS), those in hidden folders and in `LEFT_OUT`. Links to folders
    are followed, each folder is looked into once. Raises OSError for one that cannot be read."""
    found, seen, passed = list[Path](), set[str](), 0
    for place, folders, files in os.walk(folder, followlinks=True, onerror=_raised):
        if (real := os.path.realpath(place)) in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(folders) if deep else []
        images = [each for name in files if is_image(each := Path(place, name))]
        inside = Path(place).relative_to(folder).parts
        shown = [] if any(map(is_hidden, inside)) else [each for each in images if not is_hidden(each.name)]
        found += shown
        passed += len(images) - len(shown)
    return sorted(found), passed


def is_image(path: Path) -> bool:
    """Whether it is a file whose suffix says that it is an image."""
    return path.suffix.lower() in SUFFIXES and path.is_file()


def is_hidden(name: str) -> bool:
    """Whether a file or a folder of this name is not meant to be looked at."""
    return name.startswith(".") or name in LEFT_OUT


def whole_size(path: Path) -> tuple[int, int]:
    """As `image_size`; an image whose file lacks the mark of its end is decoded too, since it may be half of one.
    Raises RequestError where it is."""
    size = image_size(path)
    if not _has_end(path):
        status = path.stat()
        _decoded(path, status.st_mtime_ns, status.st_size)
    return size


@lru_cache(maxsize=100_000)
def _decoded(path: Path, mtime: int, size: int) -> None:
    """Once for each state of a file: a set is looked at several times in one build."""
    read_image(path)


def _has_end(path: Path) -> bool:
    """Whether its last bytes are those that end a file of its format; False where the format has none."""
    with path.open("rb") as file:
        head = file.read(12)
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 12))
        tail = file.read()
    if head.startswith(b"\xff\xd8"):
        return tail.endswith(b"\xff\xd9")
    if head.startswith(b"\x89PNG"):
        return tail.endswith(b"IEND\xaeB`\x82")
    if head.startswith(b"RIFF"):
        return int.from_bytes(head[4:8], "little") + 8 <= size
    return False


def _raised(error: OSError) -> Iterator[None]:
    raise error
