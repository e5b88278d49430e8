"""`exporter verify`: is this folder still what its manifest says?"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from exporter.artifact.bounded_session import artifact_session, check_artifact
from exporter.artifact.manifest import Engine, Manifest, read_manifest
from exporter.artifact.metadata import metadata, same
from exporter.backend.engine import engine_of
from exporter.common.errors import BuildError, RequestError
from exporter.common.files import file_digest, is_file
from exporter.common.limits import bounded, memory_for
from exporter.graph import facts
from exporter.graph.clean import check
from exporter.graph.read_model import read_model
from exporter.quantization.summary import COUNTED, summarize, summarize_fp16
from exporter.runtime.tensorrt.library import KINDS, installed

IN_FLOAT = ("float32", "float16")
"""Precisions in which nothing computes on integers."""


def verify(folder: Path) -> Iterator[str]:
    """Yields a line for each check that holds. Raises RequestError where there is no artifact to check, BuildError for
    the first check that does not hold."""
    manifest = read_manifest(folder)
    yield f"manifest follows schema version {manifest.schema_version}"
    path = folder / manifest.artifact.file
    if not is_file(path):
        raise RequestError(f"{folder}: holds no {manifest.artifact.file}, which its manifest describes")
    same("size in bytes", path.stat().st_size, manifest.artifact.bytes)
    same("sha256", file_digest(path), manifest.artifact.sha256)
    yield f"{path.name} has the manifest's size and sha256"
    for each in manifest.files[1:]:
        beside = folder / each.file
        same(f"sha256 of {each.file}", file_digest(beside) if is_file(beside) else None, each.sha256)
        needs = f"; {_runs_on(each)}" if isinstance(each, Engine) else ""
        yield f"{each.file} has the manifest's sha256{needs}"
    model = read_model(path)
    check_artifact(model, path)
    with bounded(path, memory_for(path.stat().st_size, 0)):
        check(path.read_bytes())
    yield "the graph is valid ONNX (full check)"
    _check_countable(model, path)
    for name, found, stated in _facts(model, manifest):
        same(name, found, stated)
    yield "input, outputs, operators, opset, metadata and quantization are what the manifest says"
    yield from _run(path, manifest)


def _runs_on(built: Engine) -> str:
    """What an engine needs, and whether the library that is installed here is it."""
    needs = f"only {built.library} {built.tensorrt} can run it, on {built.gpus or 'its GPU'}"
    for name, kind in KINDS.items():
        try:
            there = installed(name) if kind.title == built.library else None
        except RequestError as error:
            return f"{needs}; here is another: {error}"
        if there is not None and there.version != built.tensorrt:
            needs += f"; here is {there.version}: exporter engine builds it again"
    return needs


def _check_countable(model: onnx.ModelProto, path: Path) -> None:
    """Raises BuildError for what is valid ONNX, has no place in an artifact, and could not be counted: whatever fails
    behind this is our own fault, and is shown as such."""
    graph, problem = model.graph, None
    if not any(entry.domain in facts.DEFAULT for entry in model.opset_import):
        problem = "no version of ONNX's own operators"
    if not graph.input:
        problem = "no input"
    if strange := [value.name for value in (*graph.input, *graph.output) if not value.type.HasField("tensor_type")]:
        problem = f"{', '.join(strange)}: an input or output that is no tensor"
    # The checker knows nothing of other domains, so a node there has any inputs, whatever it is called.
    named = (node for node in graph.node if node.domain not in facts.DEFAULT and node.op_type in COUNTED)
    if foreign := sorted({f"{node.domain}::{node.op_type}" for node in named}):
        problem = f"{', '.join(foreign)}: another's operator with the name of one of ONNX's own"
    if problem:
        raise BuildError(f"{path}: holds what no artifact does: {problem}")


def _facts(model: onnx.ModelProto, manifest: Manifest) -> Iterator[tuple[str, Any, Any]]:
    found = [facts.tensor(value) for value in model.graph.input]
    yield "input", found, [manifest.input.model_dump(include={"name", "dtype", "shape"})]
    meanings = manifest.postprocessing.meanings
    yield "outputs", facts.outputs(model, meanings), [output.model_dump() for output in manifest.outputs]
    yield "operators", facts.operators(model), manifest.artifact.operators
    yield "opset", facts.opset(model), manifest.artifact.opset
    yield "ir_version", model.ir_version, manifest.artifact.ir_version
    yield from metadata(model, manifest)
    quantization = manifest.quantization
    if quantization.precision in IN_FLOAT and facts.is_quantized(model):
        yield "quantization.precision", "integers", quantization.precision
    stated = quantization.model_dump(exclude_unset=True)  # an older one counts less
    for key, found in {**summarize(model).model_dump(), **summarize_fp16(model).model_dump()}.items():
        if key in stated:
            yield f"quantization.{key}", found, stated[key]


def _run(path: Path, manifest: Manifest) -> Iterator[str]:
    """One run on a grey image: shapes and dtypes of what comes out."""
    grey = np.full(manifest.input.nominal_shape, 0.5 if manifest.input.range is None else 114)
    grey = grey.astype(manifest.input.dtype)
    outputs = artifact_session(path.parent, manifest).run(None, {manifest.input.name: grey})
    for output, stated in zip(outputs, manifest.outputs, strict=True):
        same(f"dtype of {stated.name}", output.dtype.name, stated.dtype)
        fits = len(output.shape) == len(stated.shape) and all(
            side == said or isinstance(said, str) for side, said in zip(output.shape, stated.shape, strict=True)
        )
        if not fits:
            raise BuildError(f"{stated.name} came out as {list(output.shape)}, the manifest says {stated.shape}")
    ran_in = engine_of(manifest.backend).label(path)
    yield f"it runs ({ran_in}), and what comes out has the stated shapes"
