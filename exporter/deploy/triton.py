"""A model repository of Triton Inference Server: a folder a model, its configuration, a folder a version.

Sources: Triton's user guide (Model Repository, Model Configuration) and `model_config.proto`. Where `max_batch_size` is
N above 0, every input and output has a first dimension of at most N that `dims` leaves out; where it is 0, `dims` is
the whole shape. What the Python backend runs is in `triton_model.py`.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from exporter.artifact.manifest import Manifest, read_manifest
from exporter.artifact.publish import publishing
from exporter.backend.engine import option_of
from exporter.common.errors import RequestError
from exporter.deploy.checked import checked_file
from exporter.deploy.snippet.facts import facts
from exporter.deploy.snippet.python_engines import own
from exporter.deploy.triton_model import program
from exporter.graph.core_outputs import PLUGIN, PLUGIN_DOMAIN

TYPES = {"bool": "TYPE_BOOL", "uint8": "TYPE_UINT8", "int8": "TYPE_INT8", "int32": "TYPE_INT32", "int64": "TYPE_INT64",
         "float16": "TYPE_FP16", "float32": "TYPE_FP32", "float64": "TYPE_FP64"}  # fmt: skip
BACKENDS = {"onnxruntime": ("platform", "onnxruntime_onnx", "model.onnx"),
            "tensorrt": ("platform", "tensorrt_plan", "model.plan"),
            "python": ("backend", "python", "model.onnx")}  # fmt: skip
"""The field by which config.pbtxt names each, what it says there, and the artifact's name in a version's folder."""
DEFAULT_BATCH = 8


def write_repository(folder: Path, out: Path, backend: str | None, max_batch_size: int | None) -> str:
    """Writes `out`/NAME/ with the artifact of `folder`, or its engine, as version 1; a line that says so.

    `backend`: one of BACKENDS, None for tensorrt where there is an engine of it, else onnxruntime. `max_batch_size`:
    of an artifact whose batch is free; by default that of its profile, else 8. Raises RequestError where Triton cannot
    serve it so, and where the model is in the repository already."""
    manifest = read_manifest(folder)
    backend = backend or ("tensorrt" if manifest.engine and _of_tensorrt(manifest) else "onnxruntime")
    source = _source(folder, manifest, backend)
    text = config(manifest, backend, max_batch_size)
    known = facts(manifest, BACKENDS[backend][2])
    model = out / manifest.name
    if model.name != manifest.name:
        raise RequestError(f"--out {out}: {manifest.name} is no name of a folder: build it with name=…")
    with publishing(model, (), "--out ") as new:
        (new / "1").mkdir()
        shutil.copyfile(source, new / "1" / BACKENDS[backend][2])
        if backend == "python":
            together = _max_batch_size(manifest, backend, max_batch_size) > 0
            (new / "1" / "model.py").write_text(program(known, together), encoding="utf-8")
        (new / "config.pbtxt").write_text(text, encoding="utf-8")
    built = manifest.engine if backend == "tensorrt" else None
    needs = f"; the server needs TensorRT {built.tensorrt} and the GPU that it was built on" if built else ""
    if backend == "python":
        needs = f"; the server's Python needs numpy and {own(known).package}"
    return f"{model}: for Triton's {backend} backend{needs}; not run in Triton"


def config(manifest: Manifest, backend: str, max_batch_size: int | None) -> str:
    """The text of config.pbtxt. Raises RequestError where Triton cannot serve the artifact so."""
    limit = _max_batch_size(manifest, backend, max_batch_size)
    lines = [
        "# Written by exporter from the artifact's manifest.",
        f"name: {_quoted(manifest.name)}",
        f"{BACKENDS[backend][0]}: {_quoted(BACKENDS[backend][1])}",
        f"max_batch_size: {limit}",
        *_tensor("input", manifest.input.name, manifest.input.dtype, manifest.input.shape, limit),
    ]
    for output in manifest.outputs:
        lines += _tensor("output", output.name, output.dtype, output.shape, limit)
    if limit:
        lines.append("dynamic_batching { }")
    return "\n".join(lines) + "\n"


def _max_batch_size(manifest: Manifest, backend: str, wanted: int | None) -> int:
    """How many images Triton may put together; 0 where the batch is fixed, or an output (`flat`) has none."""
    name = manifest.input.shape[0]
    shared = manifest.input.batch_is_free
    if not shared or any(output.shape[0] != name for output in manifest.outputs):
        if wanted is not None:
            why = "its outputs have no batch: take postprocessing/format=batch" if shared else "its batch is fixed"
            raise RequestError(f"--max-batch-size {wanted}: {manifest.name} cannot be batched by Triton, {why}")
        return 0
    profile = manifest.backend.profile if backend == "tensorrt" else None
    if profile is not None and profile.min[0] > 1:
        raise RequestError(
            f"backend.batch: least {profile.min[0]}: Triton also sends single images, which this engine does not"
            " take: build it with a least batch of 1"
        )
    allowed = manifest.input.allowed[str(name)].max
    most = profile.max[0] if profile is not None else allowed
    if wanted is not None and most is not None and wanted > most:
        raise RequestError(f"--max-batch-size {wanted}: {manifest.name} takes at most {most}")
    return wanted or most or DEFAULT_BATCH


def _source(folder: Path, manifest: Manifest, backend: str) -> Path:
    """The file to serve, if it is what the manifest says."""
    if backend != "tensorrt" and f"{PLUGIN_DOMAIN}::{PLUGIN}" in manifest.artifact.operators:
        raise RequestError(f"{folder}: ONNX Runtime has no {PLUGIN}: build the engine, exporter engine {folder}")
    if backend == "tensorrt" and not _of_tensorrt(manifest):
        raise RequestError(
            f"{folder}: Triton's tensorrt backend loads engines of TensorRT alone, and this was built for"
            f" backend={manifest.backend.name}: --backend onnxruntime, or build it with backend=tensorrt"
        )
    stated = manifest.engine if backend == "tensorrt" else manifest.artifact
    if stated is None:
        raise RequestError(f"{folder}: has no engine yet: exporter engine {folder}, on a machine with the server's GPU")
    return checked_file(folder, stated)


def _of_tensorrt(manifest: Manifest) -> bool:
    """Whether its engine is one of TensorRT itself, the only library that Triton's backend of that name links."""
    return option_of(manifest.backend).compiler == "tensorrt"


def _tensor(kind: str, name: str, dtype: str, shape: list[int | str], limit: int) -> Iterator[str]:
    """A message ModelInput or ModelOutput; -1 is a free dimension."""
    if dtype not in TYPES:
        raise RequestError(
            f"{name} is {dtype}: Triton is given {', '.join(TYPES)}: let the recipe's format give one of them"
        )
    dims = [-1 if isinstance(side, str) else side for side in (shape[1:] if limit else shape)]
    yield f"{kind} {{"
    yield f"  name: {_quoted(name)}"
    yield f"  data_type: {TYPES[dtype]}"
    yield f"  dims: [ {', '.join(map(str, dims))} ]"
    yield "}"


def _quoted(text: str) -> str:
    """A string as protobuf's text format writes it; JSON's escapes are among its own."""
    return json.dumps(text, ensure_ascii=False)
