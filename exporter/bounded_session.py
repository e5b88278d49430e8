"""Running a graph that somebody else made: what cannot be an artifact is refused, the rest runs within limits.

A graph is a program: loops may never end, an operator may ask for any amount of memory.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from exporter.errors import BuildError, RequestError
from exporter.inference import session
from exporter.limits import alarm, bounded, memory_for
from exporter.lint.read import read_model
from exporter.lint.walk import graphs
from exporter.manifest import Manifest

RUN_SECONDS = 600.0
"""For one run."""


class BoundedSession:
    """An ONNX Runtime session whose runs end: each takes at most `memory` bytes more than there are, and
    `RUN_SECONDS`. Raises RequestError beyond that, BuildError where ONNX Runtime cannot make or run it."""

    def __init__(self, model: bytes | Path, label: object, memory: int):
        self._label, self._memory = label, memory
        with bounded(label, memory):
            self._session = session(model)

    def get_inputs(self) -> Any:
        """As of ONNX Runtime's session."""
        return self._session.get_inputs()

    def get_outputs(self) -> Any:
        """As of ONNX Runtime's session."""
        return self._session.get_outputs()

    def run(self, names: list[str] | None, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        """As of ONNX Runtime's session."""
        import onnxruntime as ort

        options = ort.RunOptions()
        late: list[bool] = []

        def stop() -> None:
            late.append(True)
            options.terminate = True

        try:
            with bounded(self._label, self._memory), alarm(RUN_SECONDS, stop):
                return self._session.run(names, feeds, options)
        except RequestError:
            raise
        except Exception as error:  # ORT raises its own classes, which share no base but this one
            if late:
                raise RequestError(f"{self._label}: one run took more than {RUN_SECONDS:g} s: refused") from error
            reason = " ".join(str(error).split())[-300:]
            raise BuildError(f"{self._label}: ONNX Runtime cannot run it: {reason}") from error


def artifact_session(folder: Path, manifest: Manifest) -> BoundedSession:
    """The artifact of a folder, if its input is what the manifest says. Raises RequestError for a file that no build
    writes, BuildError for another input, and as `BoundedSession`."""
    path = folder / manifest.artifact.file
    check_artifact(read_model(path), path)
    shape = manifest.input.nominal_shape
    opened = BoundedSession(path, path, memory_for(path.stat().st_size, math.prod(shape) // 3))
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
    for graph in graphs(model.graph):
        if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in _tensors(graph)):
            problem = "keeps tensors in other files"
        if any(isinstance(word, bytes) for node in graph.node for word in (node.name, *node.input, *node.output)):
            problem = "holds a name that is not UTF-8"
    if problem:
        raise RequestError(f"{path}: {problem}, which no artifact does: give one that a build wrote")


def _tensors(graph: onnx.GraphProto) -> list[onnx.TensorProto]:
    sparse = [part for each in graph.sparse_initializer for part in (each.values, each.indices)]
    inside = [a.t for node in graph.node for a in node.attribute if a.HasField("t")]
    return [*graph.initializer, *sparse, *inside]


def _free(shape: list[Any]) -> list[int | None]:
    """Names of free dimensions are not compared: ONNX Runtime makes its own for some."""
    return [side if isinstance(side, int) else None for side in shape]
