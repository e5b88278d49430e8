"""The lint of somebody's file, within bounds of memory."""

from pathlib import Path
from typing import NamedTuple

from exporter.backend.lint import Finding, lint
from exporter.backend.lint.parser import Said, ask_parser
from exporter.backend.lint.reported import Report, reported
from exporter.common.errors import RequestError
from exporter.common.limits import bounded
from exporter.graph.read_model import read_model

MEMORY, COPIES = 2_000_000_000, 4
"""What looking at a file may take: so many bytes, and its own size so many times."""


class Linted(NamedTuple):
    """said: by NVIDIA's parser. reports: by users, unverified."""

    findings: list[Finding]
    said: Said
    reports: list[Report]


def lint_file(file: Path, *, has_profile: bool) -> Linted:
    """What is wrong with an ONNX file for TensorRT. has_profile: whether a manifest states its optimisation profile.
    Raises RequestError where it cannot be read, or takes too much memory."""
    model = read_model(file)
    with bounded(file, MEMORY + COPIES * file.stat().st_size):
        try:
            found = lint(model, folder=file.parent, has_profile=has_profile)
            return Linted(found, ask_parser(model), reported(model))
        except RequestError as error:
            raise RequestError(f"{file}: {error}") from error
