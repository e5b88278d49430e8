"""What an ONNX file of somebody else's gives, line by line, and the recipe that it is taken for."""

import json
import math
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from exporter.cli.verbs.inspect.rows import row
from exporter.common.errors import BuildError, RequestError
from exporter.graph import facts, walk
from exporter.graph.float32 import in_float32
from exporter.model import probe
from exporter.model.declared_network import PROBED
from exporter.model.graph_core import names_of
from exporter.model.graph_file import GraphFile, read_graph
from exporter.model.graph_names import class_names
from exporter.model.graph_outputs import seems, shown
from exporter.model.graph_said import fixed_sides, size_of
from exporter.model.head.presets import by_name, fitting, presets
from exporter.runtime.onnx_runtime import OnnxRuntimeEngine

TOLD = ("description", "model_family", "letterbox_pad", "task", "stride", "imgsz", "end2end", "producer", "version")
"""Of the metadata, besides the class names."""
USUAL_SIDE = 640  # pixels
LONGEST = 80  # characters of a value


@dataclass(frozen=True)
class Taken:
    """The recipe that a file is taken for: overrides of a command line, with `weights` as they were given. batch: what
    the file is fixed to, 1 else; of_the_head: keys of `model.head` that it has to say."""

    head: str
    weights: Path
    batch: int
    height: int
    width: int
    of_the_head: dict[str, int]

    @property
    def overrides(self) -> list[str]:
        size = [f"input.size={self.height}"]
        if self.height != self.width:
            size = [f"input.height={self.height}", f"input.width={self.width}"]
        batch = [] if self.batch == 1 else [f"input.batch={self.batch}"]
        keys = [f"model.head.{key}={value}" for key, value in self.of_the_head.items()]
        return ["model=onnx", f"model/head={self.head}", f"model.weights={self.weights}", *batch, *size, *keys]

    def recipe(self, name: str) -> str:
        """The text of a recipe of that name."""
        lines = [
            "# @package _global_",
            f"# {self.weights.name}, as exporter inspect took it; what it is fed is the usual of its head.",
            f"#   python -m exporter +recipe={name}",
            "defaults:",
            "  - override /model: onnx",
            f"  - override /model/head: {self.head}",
            "",
            "model:",
            f"  weights: {json.dumps(str(self.weights.resolve()))}",
            *(["  head:"] if self.of_the_head else []),
            *(f"    {key}: {value}" for key, value in self.of_the_head.items()),
            "input:",
            *([] if self.batch == 1 else [f"  batch: {self.batch}"]),
            f"  height: {self.height}",
            f"  width: {self.width}",
        ]
        return "\n".join(lines) + "\n"


def inspected(path: Path) -> tuple[list[str], Taken | None]:
    """Lines that say what the file holds, and the recipe that it is taken for, None where none fits. The graph is run
    on a few images. Raises RequestError where it cannot be read."""
    file = read_graph(path, str(path))
    metadata = {each.key: each.value for each in file.model.metadata_props}
    lines, taken = list(_lines(path, file)), None
    try:
        names = class_names(metadata, str(path))
    except RequestError:
        names = None
    lines += list(_of_metadata(metadata, names))
    model = in_float32(file.model)
    fit = fitting(model, str(path), len(names) if names else None)
    if not fit:
        why = _why_none(model, path, names, metadata)
        return [*lines, row("head", f"not recognised: {why}")], None
    outputs = [value.name for value in file.model.graph.output]
    told = by_name(list(fit), _said(metadata), outputs)
    head = told or next(iter(fit))
    height, width, sizes = _sizes(file.model, metadata)
    preset = presets()[head]
    of_the_head = {}
    if (counted := fit[head].of_the_head) is not None:
        of_the_head["num_classes"] = counted
    if (multiple := math.gcd(height, width, preset.size_multiple)) != preset.size_multiple:
        of_the_head["size_multiple"] = multiple
    dims = walk.inputs(model.graph)[0].type.tensor_type.shape.dim
    taken = Taken(head, path, dims[0].dim_value or 1, height, width, of_the_head)
    unread = names_of(model, None, preset, str(path)).unread(model)
    others = [name for name in fit if name != head]
    more = counted is not None and preset.layout != "detections"
    aside = [*([f"what follows {counted} classes of each box"] if more else []), *unread]
    lines += [
        row("head", f"{head}: {'as the file says itself' if told else 'guessed from shapes and values'}"),
        *([row("", f"equally possible: {', '.join(others)}")] if others else []),
        row("sure", f"what the outputs are does not contradict model/head={head}, on images in 0..1 and in 0..255"),
        *([row("not read", f"{', '.join(aside)}: see that it is no part of the detections")] if aside else []),
        row(
            "guessed",
            f"what it is fed: {preset.fed or 'not known, set preprocessing'} (the file does not say)",
        ),
        row("", f"size {height} × {width}: {sizes}"),
        row(
            "classes",
            f"{fit[head].num_classes}: "
            + ("named in the file" if names else "not named in the file: class_0, class_1, …"),
        ),
        row("build", "exporter " + shlex.join(taken.overrides)),
    ]
    return lines, taken


def _lines(path: Path, file: GraphFile) -> Iterator[str]:
    kind = "quantized already" if facts.is_quantized(file.model) else "float"
    nodes, opset = len(file.model.graph.node), facts.opset(file.model)
    yield f"{path}: ONNX, opset {opset}, {nodes} nodes, {kind}, sha256 {file.sha256}"
    yield row("graph", shown(file.model.graph))
    yield from _ranges(file.model)


def _ranges(model: onnx.ModelProto) -> Iterator[str]:
    """The lowest and the highest value of each output, for synthetic images and noise in 0..1 and in 0..255."""
    inputs = walk.inputs(model.graph)
    if len(inputs) != 1 or len(inputs[0].type.tensor_type.shape.dim) != 4:
        return
    dims = inputs[0].type.tensor_type.shape.dim
    batch, height, width = (dims[axis].dim_value or usual for axis, usual in ((0, 1), (2, PROBED), (3, PROBED)))
    images = np.resize(probe.images(height, width), (batch, 3, height, width)).astype(
        onnx.helper.tensor_dtype_to_np_dtype(inputs[0].type.tensor_type.elem_type)
    )
    try:
        session = OnnxRuntimeEngine().session(model.SerializeToString())
        found = [
            session.run(None, {inputs[0].name: (images * factor).astype(images.dtype)}) for factor in (1 / 255, 1.0)
        ]
    except BuildError as error:
        yield row("values", f"it cannot be run: {' '.join(str(error).split())[:200]}")
        return
    for value, unit, raw in zip(model.graph.output, *found, strict=True):
        ranges = [f"{part.min():.4g} to {part.max():.4g}" if part.size else "empty" for part in (unit, raw)]
        yield row("values", f"{value.name} {list(unit.shape)}: {ranges[0]} for images in 0..1, {ranges[1]} in 0..255")


def _of_metadata(metadata: dict[str, str], names: tuple[str, ...] | None) -> Iterator[str]:
    told = [f"{key}: {metadata[key][:LONGEST]}" for key in TOLD if key in metadata]
    if names:
        told.append(f"{len(names)} class names: {', '.join(names[:8])}{', …' if len(names) > 8 else ''}")
    for i, line in enumerate(told or ["none that is known here"]):
        yield row("metadata" if i == 0 else "", line)


def _why_none(model: onnx.ModelProto, path: Path, names: tuple[str, ...] | None, metadata: dict[str, str]) -> str:
    """Why no head fits the graph, which is in float32."""
    if metadata.get("task", "detect") != "detect":
        return f"the file says that it is for another task than detection: {metadata['task'][:LONGEST]}"
    others = fitting(model, str(path), None) if names else {}
    if names and others:
        name, count = next((name, found.num_classes) for name, found in others.items())
        return (
            f"it names {len(names)} classes, and as {name} it gives scores of {count}: model/head={name} and"
            f" model.class_names with {count} names"
            + (f", or model.head.num_classes={len(names)} if what follows is no class" if count > len(names) else "")
        )
    return seems(model.graph) or "no head that is known by name fits what it gives: set the keys of model.head"


def _said(metadata: dict[str, str]) -> str:
    """What the file calls its network: Ultralytics' description, or LibreYOLO's family."""
    family = f"libre{metadata['model_family']}" if {"libreyolo_version", "model_family"} <= set(metadata) else ""
    return metadata.get("description", family)


def _sizes(model: onnx.ModelProto, metadata: dict[str, str]) -> tuple[int, int, str]:
    """Height, width, and who says so."""
    found = size_of(model, metadata)
    if found is None:
        height, width = fixed_sides(model)
        return height or USUAL_SIDE, width or USUAL_SIDE, "guessed, the file takes others"
    size, source = found
    return *size, "fixed in the file" if source == "input" else "as its metadata says"
