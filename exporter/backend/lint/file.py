"""The lint of somebody's file, within bounds of memory."""

from pathlib import Path

from exporter.backend.lint import Finding, lint
from exporter.backend.lint.parser import Said, ask_parser
from exporter.backend.lint.read import read
from exporter.common.errors import RequestError
from exporter.common.limits import bounded

MEMORY, COPIES = 2_000_000_000, 4
"""What looking at a file may take: so many bytes, and its own size so many times."""


def lint_file(path: Path, backend: str) -> tuple[Path, list[Finding], Said]:
    """The ONNX file, that of the artifact where `path` is a folder, what is wrong with it for `backend`, and what
    NVIDIA's parser says. Raises RequestError where it cannot be read, or takes too much memory."""
    given = read(path)
    with bounded(path, MEMORY + COPIES * given.file.stat().st_size):
        try:
            found = lint(given.model, backend, folder=given.file.parent, has_profile=given.has_profile)
            return given.file, found, ask_parser(given.model)
        except RequestError as error:
            raise RequestError(f"{given.file}: {error}") from error
