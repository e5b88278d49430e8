"""The program for an artifact on the disk, in the wanted language."""

from pathlib import Path

from exporter.artifact.manifest import read_manifest
from exporter.backend.engine import engine_of
from exporter.common.errors import RequestError
from exporter.deploy.snippet import cpp, python
from exporter.deploy.snippet.facts import facts

PROGRAMS = {"python": python.program, "cpp": cpp.program, "triton": python.client}
TRITON = "triton"
"""Python too, but it asks a server, which runs the artifact, whatever it is for."""


def snippet(folder: Path, language: str) -> str:
    """A program that runs the artifact in `folder` as its manifest says, and needs nothing of the exporter; of
    "triton" one that asks the server that `exporter triton` wrote a repository for.

    Raises RequestError where there is no artifact, or one that ONNX Runtime cannot run by itself, or for another
    backend than the exporter has."""
    manifest = read_manifest(folder)
    if language == TRITON:
        return PROGRAMS[language](facts(manifest, manifest.name))
    engine_of(manifest.backend)  # of one that nobody here knows a program would be a guess
    if foreign := [name for name in manifest.artifact.operators if "::" in name]:
        raise RequestError(
            f"{folder}: holds {', '.join(foreign)}, which ONNX Runtime cannot run by itself: snippets are for ONNX"
            " Runtime: build it with backend=onnxruntime"
        )
    if manifest.backend.name == "openvino" and language != "python":
        raise RequestError(
            f"{folder}: is for OpenVINO, whose program is in Python only: take --language python, or build it with"
            " backend=onnxruntime"
        )
    return PROGRAMS[language](facts(manifest, folder / manifest.artifact.file))
