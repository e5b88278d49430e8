"""The program for an artifact on the disk, in the wanted language."""

from pathlib import Path

from exporter.artifact.manifest import read_manifest
from exporter.backend.engine import engine_of
from exporter.common.errors import RequestError
from exporter.deploy.snippet import cpp, python
from exporter.deploy.snippet.facts import Facts, facts

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
    known = facts(manifest, folder / manifest.artifact.file)
    foreign = [name for name in manifest.artifact.operators if "::" in name]
    if foreign and known.serialized is None:
        raise RequestError(
            f"{folder}: holds {', '.join(foreign)}, which ONNX Runtime cannot run by itself: snippets are for ONNX"
            " Runtime: build it with backend=onnxruntime, or its engine first (exporter engine)"
        )
    if language != "python" and (only := _only_python(known)):
        raise RequestError(
            f"{folder}: {only}, whose program is in Python only: take --language python, or build it with"
            " backend=onnxruntime"
        )
    if known.serialized is not None and known.format == "flat":
        raise RequestError(
            f"{folder}: has an engine whose outputs have as many rows as there are detections, which no program here"
            " reads: build it with postprocessing/format=batch"
        )
    return PROGRAMS[language](known)


def _only_python(known: Facts) -> str | None:
    """What of the artifact no program in another language is written for."""
    if known.openvino is not None:
        return "is for OpenVINO"
    if known.serialized is not None:
        return "has an engine of its own"
    return "is captured in a CUDA graph" if known.provider.captured else None
