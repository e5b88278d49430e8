"""Folders that are made for what may come to nothing."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from exporter.common.interrupts import held


@contextmanager
def folder_for(path: Path) -> Iterator[None]:
    """A folder for the block, made with its parents where they are missing; those made that nothing lies in at the end
    are removed. Raises OSError where it cannot be made."""
    missing = [each for each in (path, *path.parents) if not each.exists()]  # the deepest first
    try:
        path.mkdir(parents=True, exist_ok=True)
        yield
    finally:
        with held(), suppress(OSError):  # not empty
            for each in missing:
                each.rmdir()
