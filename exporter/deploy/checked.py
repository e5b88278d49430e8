"""What is looked at before an artifact is handed on: its files, and whether its reader takes it."""

from collections.abc import Iterable
from pathlib import Path

from exporter.artifact.manifest import Manifest
from exporter.common.errors import RequestError
from exporter.common.files import file_digest, is_file
from exporter.common.section import StoredFile


def checked_file(folder: Path, stated: StoredFile) -> Path:
    """The file of an artifact's folder that a section of its manifest describes. Raises RequestError where it is
    another, or none."""
    file = folder / stated.file
    if not is_file(file) or file_digest(file) != stated.sha256:
        raise RequestError(f"{file}: is missing or not what its manifest says: exporter verify {folder} says more")
    return file


def engine_name(manifest: Manifest) -> str:
    """The name of the serialized engine beside the artifact."""
    return Path(manifest.artifact.file).with_suffix(".engine").name


def refuse(said: str, problems: Iterable[tuple[str, str]]) -> None:
    """Raises RequestError where there are problems: each is what is in the way, and the overrides of a build that take
    it out of the way. said: which artifact does not go where."""
    if listed := list(problems):
        whys = ", ".join(why for why, _ in listed)
        fixes = dict.fromkeys(word for _, fix in listed for word in fix.split())
        raise RequestError(f"{said}: {whys}: build it with {' '.join(fixes)}")
