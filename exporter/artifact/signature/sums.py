"""SHA256SUMS: the digest of every file in a folder, written as sha256sum does and held against the folder again."""

import re
from collections.abc import Iterator
from pathlib import Path

from exporter.artifact.signature import SIGNATURE, SUMS
from exporter.common.errors import BuildError, RequestError
from exporter.common.files import file_digest

MAX_BYTES = 1_000_000
"""Of SHA256SUMS: some 10,000 files."""


def sums_of(folder: Path) -> dict[str, str]:
    """sha256 in hex by name, of every file in the folder but SHA256SUMS and its signature.

    Raises RequestError for what cannot be read, and what no artifact holds: a link, a pipe, a name that a line of text
    cannot hold."""
    return {name: _digest(path) for name, path in _files(folder)}


def sums_text(sums: dict[str, str]) -> str:
    """A line a file, in the order of names."""
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items()))


def check_sums(folder: Path, text: str) -> int:
    """Holds SHA256SUMS against the folder; how many files it is of. Raises BuildError for the first file that is
    another than it was, is gone, or was put there since."""
    lines = [re.fullmatch(r"([0-9a-f]{64})  (.+)", line) for line in text.splitlines()]
    stated = {match[2]: match[1] for match in lines if match}
    if not stated or len(stated) < len(lines):
        raise BuildError(f"{folder / SUMS}: its lines are not those of sha256sum: sign the artifact again")
    found = set()
    for name, path in _files(folder):
        if name not in stated:  # before it is read: it may be of any size
            raise BuildError(f"{path}: was not there when {folder} was signed: remove it, or sign again")
        if _digest(path) != stated[name]:
            raise BuildError(f"{path}: was changed after {folder} was signed")
        found.add(name)
    if missing := sorted(stated.keys() - found):
        raise BuildError(f"{folder / missing[0]}: was there when {folder} was signed, and is gone")
    return len(found)


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Name from the folder on, and path. A link could lead out of the folder, and reading from a pipe never ends."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() and not path.is_symlink():
            continue
        if path.is_symlink() or not path.is_file():
            raise RequestError(f"{path}: is not a file of its own, and an artifact holds nothing else: remove it")
        if not name.isprintable() or "\\" in name:
            raise RequestError(f"{path}: SHA256SUMS cannot hold such a name: remove it")
        if name not in (SUMS, SIGNATURE):
            yield name, path


def _digest(path: Path) -> str:
    try:
        return file_digest(path)
    except OSError as error:
        raise RequestError(f"{path}: {error.strerror}: every file of the folder has to be read") from error
