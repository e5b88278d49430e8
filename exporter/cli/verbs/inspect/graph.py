"""What an ONNX file of somebody else's gives, line by line, and the recipe that it is taken for."""

import math
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx

from exporter.cli.verbs.inspect.recognised import Given, Recognised, recognised
from exporter.cli.verbs.inspect.rows import row
from exporter.cli.verbs.inspect.taken import Taken
from exporter.common.errors import BuildError, RequestError
from exporter.graph import facts, walk
from exporter.graph.image_input import image_of, reads_bytes
from exporter.model import probe
from exporter.model.declared_network import PROBED
from exporter.model.graph_cut import cut
from exporter.model.graph_file import GraphFile, as_network, read_graph
from exporter.model.graph_names import class_names
from exporter.model.graph_network import GraphNetwork
from exporter.model.graph_outputs import shown, suppresses
from exporter.model.graph_said import fixed_sides, size_of
from exporter.model.head import Head
from exporter.model.head.libreyolo import family_name
from exporter.model.head.presets import fitting, presets
from exporter.preprocessing.declared import Declared, of_bytes
from exporter.runtime.onnx_runtime import OnnxRuntimeEngine

TOLD = ("description", "model_family", "letterbox_pad", "task", "stride", "imgsz", "end2end", "producer", "version")
"""Of the metadata, besides the class names."""
USUAL_SIDE = 640  # pixels
LONGEST = 80  # characters of a value


def inspected(path: Path) -> tuple[list[str], Taken | None]:
    """Lines that say what the file holds, and the recipe that it is taken for, None where none fits. The graph is run
    on a few images. Raises RequestError where it cannot be read."""
    file = read_graph(path, str(path))
    metadata = {each.key: each.value for each in file.model.metadata_props}
    model = as_network(file).model
    lines = list(_lines(path, file, model))
    names, unread = None, ""
    try:
        names = class_names(metadata, str(path))
    except RequestError as error:
        unread = str(error).removeprefix(f"{path}: ")
    lines += list(_of_metadata(metadata, names))
    found = recognised(Given(model, str(path), metadata, len(names) if names else None))
    family = family_name(metadata)
    if family and (found is None or not found.by_family):
        told = f"LibreYOLO's {family[:LONGEST]}, of which this is not known, or gives something else"
        lines.append(row("family", f"{told}: nothing below is taken from that name"))
    if found is None:
        why = _why_none(model, path, names, metadata)
        return [*lines, row("head", f"not recognised: {why}")], None
    kept = cut(file.model, found.cut, str(path)) if found.cut else file.model
    height, width, sizes = _sizes(kept, metadata)
    keys = dict(found.keys)
    if (counted := found.fit.of_the_head) is not None:
        keys["num_classes"] = counted
    multiple = math.gcd(height, width, found.head.size_multiple)
    if multiple != found.head.size_multiple:
        keys["size_multiple"] = multiple
    if reads_bytes(kept):
        found = _of_bytes(found)
    image = image_of(kept)
    batch = image.type.tensor_type.shape.dim[0].dim_value if image is not None else 0
    taken = Taken(found.preset, found.preprocessing, path, max(batch, 1), height, width, keys, found.cut)
    said = "named in the file" if names else unread or "not named in the file: class_0, class_1, …"
    if found.head.layout == "detections" and not names:
        said = f"guessed, for the file does not say how many; {said}"
    unknown = "bytes, 0..255; the rest is not known, set preprocessing with preprocessing.max_value=1"
    unknown = unknown if reads_bytes(kept) else "not known, set preprocessing"
    recipe = _of_the_recipe(taken, found, said, sizes, unknown)
    return [*lines, *recipe, *_of_the_task(metadata.get("task", "detect"))], taken


def _of_bytes(found: Recognised) -> Recognised:
    """The same for a graph that reads bytes: whatever is declared of its normalization, that stands inside."""
    option, keys = found.preprocessing or ("declared", found.head.preprocessing)
    if option != "declared" or keys is None:
        return found
    fed = of_bytes(Declared.model_validate(keys))
    return found._replace(preprocessing=(option, fed.model_dump(exclude_defaults=True)))


def _of_the_task(task: str) -> Iterator[str]:
    """What of a file for another task than detection is not taken over."""
    if task != "detect":
        lost = ": boxes lose their angle, and those of turned objects are wrong" if task == "obb" else ""
        yield row("task", f"the file is for {task[:LONGEST]}, and only boxes, scores and classes are taken{lost}")


def _of_the_recipe(taken: Taken, found: Recognised, names: str, sizes: str, unknown: str) -> Iterator[str]:
    """names: what is known of the classes' names; sizes: who says the size; unknown: what is said where nobody knows
    what it is fed."""
    preset, fit, head = found.preset, found.fit, found.head
    yield row("head", f"{preset}: {'as the file says itself' if found.said else 'guessed from shapes and values'}")
    if found.cut:
        yield row(
            "cut", f"what is inside and chooses among boxes is left out: the head is read at {', '.join(found.cut)}"
        )
    if found.others:
        yield row("", f"equally possible: {', '.join(found.others)}")
    yield row("sure", f"what the outputs are does not contradict model/head={preset}, on images in 0..1 and in 0..255")
    more = fit.of_the_head is not None and head.layout != "detections"
    if aside := [*([f"what follows {fit.of_the_head} classes of each box"] if more else []), *fit.unread]:
        yield row("not read", f"{', '.join(aside)}: see that it is no part of the detections")
    fed = f"what it is fed: {_fed(found) or unknown}"
    if found.fed_as:
        yield row("known", f"{fed} (as {found.fed_as})")
    else:
        yield row("guessed", f"{fed} (the file does not say)")
    yield row("", f"size {taken.height} × {taken.width}: {sizes}")
    yield row("classes", f"{fit.num_classes}: {names}")
    yield row("build", "exporter " + shlex.join(taken.overrides))


def _fed(found: Recognised) -> object:
    """In words, None where nobody knows."""
    if found.preprocessing is None:
        return found.head.fed
    option, keys = found.preprocessing
    return Declared.model_validate(keys) if keys else f"preprocessing={option}"


def _lines(path: Path, file: GraphFile, model: onnx.ModelProto) -> Iterator[str]:
    kind = "quantized already" if facts.is_quantized(file.model) else "float"
    nodes, opset = len(file.model.graph.node), facts.opset(file.model)
    yield f"{path}: ONNX, opset {opset}, {nodes} nodes, {kind}, sha256 {file.sha256}"
    yield row("graph", shown(file.model.graph))
    yield from _ranges(model)


def _ranges(model: onnx.ModelProto) -> Iterator[str]:
    """The lowest and the highest value of each output, for synthetic images and noise in 0..1 and in 0..255."""
    inputs = walk.inputs(model.graph)
    if len(inputs) != 1 or len(inputs[0].type.tensor_type.shape.dim) != 4:
        return
    dims = inputs[0].type.tensor_type.shape.dim
    if dims[1].dim_value not in (0, 3):  # no images as here: `shown` says what they are
        return
    batch, height, width = (dims[axis].dim_value or usual for axis, usual in ((0, 1), (2, PROBED), (3, PROBED)))
    images = np.resize(probe.images(height, width), (batch, 3, height, width))
    try:
        session = OnnxRuntimeEngine().session(model.SerializeToString())
        found = [session.run(None, {inputs[0].name: (images * factor).astype(np.float32)}) for factor in (1 / 255, 1.0)]
    except BuildError as error:
        yield row("values", f"it cannot be run: {' '.join(str(error).split())[:200]}")
        return
    for value, unit, raw in zip(model.graph.output, *found, strict=True):
        if not isinstance(unit, np.ndarray):
            yield row("values", f"{value.name}: a sequence")
            continue
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
    others = fitting(model, str(path), None, presets()) if names else {}
    if names and others:
        name, count = next((name, found.num_classes) for name, found in others.items())
        if (head := presets()[name]).layout == "detections":
            why = _refusal(model, path, head, len(names))
            return f"it names {len(names)} classes, and read as {name}: {why}"
        return (
            f"it names {len(names)} classes, and as {name} it gives scores of {count}: model/head={name} and"
            f" model.class_names with {count} names"
            + (f", or model.head.num_classes={len(names)} if what follows is no class" if count > len(names) else "")
        )
    if suppresses(model.graph):
        return (
            "NMS is inside, and no head that is known by name fits in front of it: model.cut=[BOXES,SCORES] with the"
            " keys of model.head, or export the network without it"
        )
    none = "no head that is known by name fits what it gives: set the keys of model.head"
    return _refusal(model, path, Head(), None) or none


def _refusal(model: onnx.ModelProto, path: Path, head: Head, classes: int | None) -> str:
    """Why a build with that head would refuse it, and which declaration it would name."""
    try:
        GraphNetwork(model, None, str(path), head.counted(classes))
    except RequestError as error:
        return str(error).removeprefix(f"{path}: ").removeprefix(f"{shown(model.graph)}: ")
    return ""


def _sizes(model: onnx.ModelProto, metadata: dict[str, str]) -> tuple[int, int, str]:
    """Height, width, and who says so."""
    found = size_of(model, metadata)
    if found is None:
        height, width = fixed_sides(model)
        return height or USUAL_SIDE, width or USUAL_SIDE, "guessed, the file takes others"
    size, source = found
    return *size, "fixed in the file" if source == "input" else "as its metadata says"
