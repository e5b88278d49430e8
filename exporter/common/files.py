"""Files: looked at before they are opened, only regular ones and only as much as makes sense; written whole."""

import hashlib
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from exporter.common.errors import RequestError

TEXT_BYTES = 1_000_000
"""Of a recipe, a data.yaml: what people write."""


def cache_folder(name: str) -> Path:
    """`$XDG_CACHE_HOME/exporter/NAME`, by default below ~/.cache; nothing is made there."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "exporter" / name


def user_path(text: str) -> Path:
    """The path that somebody wrote, with his home for ~; what names no user's home stays as it is."""
    try:
        return Path(os.path.expanduser(text))  # noqa: PTH111 - Path.expanduser raises for it
    except ValueError:  # of a zero byte in a user's name
        return Path(text)


def exists(path: Path) -> bool:
    """Whether there is something. Like the two below it is also False for a name that no system can have, at which
    `pathlib` raises: too long, a zero byte, links that go round."""
    return os.path.exists(path)  # noqa: PTH110


def is_file(path: Path) -> bool:
    """Whether there is a regular file."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: Path) -> bool:
    """Whether there is a folder."""
    return os.path.isdir(path)  # noqa: PTH112


def check_file(path: Path, fix: str, most: int | None = None, label: object = None) -> int:
    """The file's size in bytes. A pipe would block for ever, a device never end.

    fix: what to do; most: bytes that it may have; label: what the line begins with, the path if None. Raises
    RequestError: missing, not a regular file, or larger than `most`."""
    shown = path if label is None else label
    try:
        status = path.stat()
    except (OSError, ValueError) as error:  # ValueError: a path that no system can have
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise RequestError(f"{shown}: {reason}: {fix}") from error
    if not stat.S_ISREG(status.st_mode):
        raise RequestError(f"{shown}: is not a file: {fix}")
    if most is not None and status.st_size > most:
        raise RequestError(f"{shown}: {status.st_size} bytes, and at most {most} are read: {fix}")
    return status.st_size


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file that others see whole or not at all; where that fails, as OSError, nothing is left of it."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_bytes(data)
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


def files_digest(paths: Iterable[Path]) -> str:
    """sha256 over the digests of files, in order; where they lie and what they are called does not matter."""
    return hashlib.sha256("".join(map(file_digest, paths)).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """sha256 of a file's bytes, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
