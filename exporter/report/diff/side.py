"""One of the two artifacts: its facts by section, read from the ONNX file where that has them, else the manifest's."""

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from exporter.artifact.manifest import Benchmark, Evaluation, Manifest, read_manifest
from exporter.common.files import file_digest
from exporter.common.flat import flat
from exporter.graph import facts
from exporter.graph.read_model import read_model
from exporter.quantization.summary import summarize, summarize_fp16

MEASURED = ("proof", "accuracy", "latency")
"""Sections of metrics: what is null in them was not measured."""
FP32 = "is FP32 itself"
"""In the place of what an artifact lost or gained against the FP32 one of the same recipe."""


@dataclass(frozen=True)
class Side:
    """`sections` holds plain values by section and dotted key. `stated_sha256` is what the manifest says of the file,
    `sha256` what the file has."""

    folder: Path
    sha256: str
    stated_sha256: str
    sections: dict[str, dict[str, Any]]


def read_side(folder: Path) -> Side:
    """The artifact in `folder`. Raises RequestError where there is none, or its file is no ONNX file."""
    manifest = read_manifest(folder)
    file = folder / manifest.artifact.file
    model = read_model(file)
    bounds, measured = manifest.proof.bounds, manifest.proof.model_dump(exclude={"bounds"})
    sections = {
        "recipe": manifest.recipe.model_dump(include={"name", "commit", "dirty"}),
        "config": dict(flat(manifest.recipe.config)),
        "graph": _graph(model),
        "operators": facts.operators(model),
        "size": _size(model, file, manifest),
        "model": _model(manifest),
        "calibration": manifest.calibration.model_dump() if manifest.calibration else {},
        "versions": dict(manifest.versions),
        "bounds of the proof": dict(flat(bounds)),
        "proof": dict(flat(measured)),
        "accuracy": _accuracy(manifest.evaluation),
        "latency": _latency(manifest.benchmark),
    }
    for name in MEASURED:
        sections[name] = {key: value for key, value in sections[name].items() if value is not None}
    return Side(folder, file_digest(file), manifest.artifact.sha256, sections)


def _graph(model: onnx.ModelProto) -> dict[str, Any]:
    fp16, counts = summarize_fp16(model), summarize(model)
    return {
        "opset": facts.opset(model),
        "ir_version": model.ir_version,
        "convolutions in int8": counts.convolutions.int8,
        **({"linear layers in int8": counts.linear_layers.int8} if counts.linear_layers else {}),
        "convolutions in float16": fp16.float16_convolutions,
        "convolutions in float32": fp16.float32_convolutions,
        **{f"input {value.name}": _described(facts.tensor(value)) for value in model.graph.input},
        **{f"output {value.name}": _described(facts.tensor(value)) for value in model.graph.output},
    }


def _described(tensor: dict[str, Any]) -> str:
    return f"{tensor['dtype']} [{', '.join(str(side) for side in tensor['shape'])}]"


def _size(model: onnx.ModelProto, path: Path, manifest: Manifest) -> dict[str, int]:
    """Bytes of the file and of its initializers by dtype, and the numbers of the network before it was fused."""
    stored: Counter[str] = Counter()
    for tensor in model.graph.initializer:
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
        stored[dtype.name] += math.prod(tensor.dims) * dtype.itemsize
    return {
        "bytes of the file": path.stat().st_size,
        **{f"bytes of initializers in {name}": count for name, count in sorted(stored.items())},
        "parameters": manifest.model.parameters,
    }


def _model(manifest: Manifest) -> dict[str, Any]:
    weights = {f"weights.{key}": value for key, value in manifest.model.weights.model_dump().items()}
    return {"name": manifest.model.name, **weights, "class_names": manifest.model.class_names}


def _accuracy(evaluation: Evaluation | None) -> dict[str, Any]:
    """Points of 100, and on which images: metrics on different ones say nothing about each other."""
    if evaluation is None:
        return {}
    scores = evaluation.artifact
    return {
        "pictures": f"{evaluation.num_images} of {evaluation.name}",
        "digest of the images": evaluation.digest,
        "mAP@[.5:.95]": scores.map,
        "AP50": scores.ap50,
        "AP75": scores.ap75,
        **{f"mAP of {size} objects": value for size, value in scores.by_size.items()},
        "drop from FP32": FP32 if evaluation.drop is None else evaluation.drop,
    }


def _latency(benchmark: Benchmark | None) -> dict[str, Any]:
    """Milliseconds, and on what: times of different machines say nothing about each other."""
    if benchmark is None:
        return {}
    times = {"end to end": benchmark.end_to_end, "network alone": benchmark.core}
    return {
        "cpu": benchmark.cpu.get("name"),
        "engine": benchmark.engine,
        "threads": benchmark.threads,
        "batch": benchmark.batch,
        **{f"{name}, median ms": latency.artifact.p50_ms for name, latency in times.items()},
        **{f"{name}, p99 ms": latency.artifact.p99_ms for name, latency in times.items()},
        **{f"{name}, of FP32": latency.ratio.median if latency.ratio else FP32 for name, latency in times.items()},
        "peak memory, bytes": benchmark.peak_memory_bytes.artifact,
    }
