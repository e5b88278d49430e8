"""Running a graph that somebody else made: what cannot be an artifact is refused, the rest runs within limits.

A graph is a program: loops may never end, an operator may ask for any amount of memory.
"""

import math
from pathlib import Path
from typing import Any

import onnx

from exporter.artifact.manifest import Manifest
from exporter.artifact.metadata import metadata, same
from exporter.backend.engine import engine_of
from exporter.common.errors import BuildError, RequestError
from exporter.common.files import file_digest
from exporter.graph.read_model import read_model
from exporter.graph.walk import nodes, tensors
from exporter.runtime.engine import Engine, Session, limits


def artifact_session(folder: Path, manifest: Manifest, engine: Engine | None = None) -> Session:
    """The artifact of a folder in the engine that it is for, or in this one, if its input is what the manifest says.
    Raises RequestError for a file that no build writes, BuildError where it is another than its manifest describes, and
    as `Engine.session`."""
    path = folder / manifest.artifact.file
    model = read_model(path)
    check_artifact(model, path)
    for what, found, stated in metadata(model, manifest):
        same(f"{path}: {what}", found, stated)
    if file_digest(path) != manifest.artifact.sha256:
        raise BuildError(f"{path}: is not the file that was built, whose sha256 its manifest says: build it again")
    pixels = math.prod(manifest.input.nominal_shape) // 3
    opened = (engine or engine_of(manifest.backend)).session(path, limits=limits(path.stat().st_size, pixels, path))
    found = [(each.name, each.type, _free(each.shape)) for each in opened.get_inputs()]
    kind = {"float32": "float"}.get(manifest.input.dtype, manifest.input.dtype)
    stated = [(manifest.input.name, f"tensor({kind})", _free(manifest.input.shape))]
    if found != stated:
        raise BuildError(f"{path}: its inputs are {found}, its manifest says {stated}: one of them was changed")
    return opened


def check_artifact(model: onnx.ModelProto, path: Path) -> None:
    """Raises RequestError for what no build writes and what could lead elsewhere: tensors in other files, functions
    that stand for any number of nodes, names that are no text."""
    problem = None
    if model.functions:
        problem = "holds functions"
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in tensors(model.graph)):
        problem = "keeps tensors in other files"
    words = (word for node in nodes(model.graph.node) for word in (node.name, *node.input, *node.output))
    if any(isinstance(word, bytes) for word in words):
        problem = "holds a name that is not UTF-8"
    if problem:
        raise RequestError(f"{path}: {problem}, which no artifact does: give one that a build wrote")


def _free(shape: list[Any]) -> list[int | None]:
    """Names of free dimensions are not compared: ONNX Runtime makes its own for some."""
    return [side if isinstance(side, int) else None for side in shape]
