"""The artifact's own tensors before NMS: what its post-processing was given, taken out of the very same run."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import onnx

from exporter.common.errors import BuildError
from exporter.common.messages import in_one_line
from exporter.graph.attach_letterbox import IMAGES, INPUT_BOXES
from exporter.graph.core_outputs import DECODED_OUTPUTS, DISPLACED, INNER, RAW_OUTPUTS, UNCLIPPED, core_outputs
from exporter.postprocessing import reference
from exporter.postprocessing.detections import Detections, Read, rows
from exporter.postprocessing.format.custom import BATCH
from exporter.preprocessing.encode import encode
from exporter.preprocessing.section import Input, Preprocessing
from exporter.runtime.engine import Sessions
from exporter.runtime.onnx_runtime import OnnxRuntimeEngine

ONNX_RUNTIME = OnnxRuntimeEngine().session


@dataclass(frozen=True)
class Letterboxed:
    """What a graph with the geometry inside made of a raw image: images uint8 [H, W, 3], in the input's order of
    channels, and of its detections: boxes [n, 4] in pixels of the raw image."""

    images: np.ndarray
    boxes: np.ndarray


@dataclass(frozen=True)
class Outputs:
    """Where one image's detections or raw boxes lie in what a run gave: the artifact's outputs by name, as they came,
    how many images they are of, and which of these it is."""

    values: Mapping[str, np.ndarray]
    images: int
    image: int


@dataclass(frozen=True)
class Tensors:
    """Of one image: boxes [N, 4] xyxy in pixels of the network's input, scores [N, C] after the sigmoid, what the
    artifact made of them, in the same pixels and not clipped (None where it has no NMS), of a raw image (None where it
    takes none), and as it gave that; clipped: the boxes of these detections as they leave the graph, None where they
    are not clipped."""

    boxes: np.ndarray
    scores: np.ndarray
    detections: Detections | None
    letterboxed: Letterboxed | None = None
    outputs: Outputs | None = None
    clipped: np.ndarray | None = None


def artifact_tensors(
    artifact: bytes, groups: Sequence[np.ndarray], input: Input, preprocessing: Preprocessing, batch: int,
    session: Sessions = ONNX_RUNTIME, read: Read | None = None,
) -> Iterator[Tensors]:  # fmt: skip
    """Runs the artifact on groups of uint8 [n, H, W, 3] RGB images, each of one size, `batch` at a time.

    read: of a format that is readable, None: by the outputs' names. The core's outputs are looked up by name in the
    finished graph; a graph that no longer has them is not provable.
    """
    starts = [(group, start) for group in groups for start in range(0, len(group), batch)]
    # a fixed batch is filled up from the group's beginning
    chosen = (group[[(start + i) % len(group) for i in range(batch)]] for group, start in starts)
    found = tensors(artifact, (encode(images, input, preprocessing) for images in chosen), session, read)
    for group, start in starts:
        yield from list(islice(found, batch))[: len(group) - start]


def tensors(
    artifact: bytes, batches: Iterable[np.ndarray], session: Sessions = ONNX_RUNTIME, read: Read | None = None
) -> Iterator[Tensors]:
    """The same for each image of each of the batches, arrays as the artifact takes them. Raises BuildError where a
    run fails."""
    run, graph = session(exposed(artifact)), onnx.load_from_string(artifact).graph
    names, fixed = [output.name for output in run.get_outputs()], constants(graph)
    (taken,), finals = graph.input, [output.name for output in graph.output]
    for batch in batches:
        try:
            values = fixed | dict(zip(names, run.run(None, {taken.name: batch}), strict=True))
        except BuildError as error:
            raise BuildError(f"the artifact fails on an input of {list(batch.shape)}: {in_one_line(error)}") from error
        # What the recipe's own format was given, where it has one; else what the artifact gives.
        given = {name.removeprefix(INNER): value for name, value in values.items() if name.startswith(INNER)} or values
        understood = read or (rows if {"num_predictions", "flat_predictions"} & given.keys() else None)
        count = len(batch) if batch.ndim == 4 else 1  # one raw image has no dimension for more
        try:
            finished = understood(given, count) if understood else [None] * count
        except (LookupError, TypeError, ValueError) as error:
            raise BuildError(f"what the artifact gives is not in its format: {in_one_line(error)}") from error
        own = {name: values[name] for name in finals}
        for i in range(count):
            before, after, outputs = _before_nms(values, i), finished[i], Outputs(own, count, i)
            if after is not None and INPUT_BOXES in values:
                of_input = Detections(values[INPUT_BOXES][i, : len(after.scores)], after.scores, after.classes)
                yield Tensors(*before, of_input, Letterboxed(values[IMAGES][i], after.boxes), outputs)
            elif after is not None and UNCLIPPED in values:
                whole = Detections(values[UNCLIPPED][i, : len(after.scores)], after.scores, after.classes)
                yield Tensors(*before, whole, outputs=outputs, clipped=after.boxes)
            else:
                yield Tensors(*before, after, outputs=outputs)


def constants(graph: onnx.GraphProto) -> dict[str, np.ndarray]:
    """Those of the core's outputs that no node computes: anchors of a fixed size. Not all engines give such out."""
    wanted = {*RAW_OUTPUTS, *DISPLACED, *DECODED_OUTPUTS}
    return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer if tensor.name in wanted}


def exposed(artifact: bytes) -> bytes:
    """The same with the core's outputs among its own, and what a user's format was given."""
    model, more = onnx.load_from_string(artifact), onnx.ModelProto()
    known = {name for node in model.graph.node for name in node.output}
    known |= {tensor.name for tensor in model.graph.initializer}
    present = {output.name for output in model.graph.output}
    others = (INPUT_BOXES, UNCLIPPED, IMAGES, *(INNER + name for name in BATCH))
    names = [*(set(core_outputs(model.graph)) - present), *(name for name in others if name in known)]
    more.graph.output.extend(onnx.ValueInfoProto(name=name) for name in sorted(names))
    return artifact + more.SerializeToString()  # two messages in a row are one that holds what both hold


def _before_nms(values: dict[str, np.ndarray], i: int) -> tuple[np.ndarray, np.ndarray]:
    if "box_logits" in values:
        boxes = reference.decode(values["box_logits"][i : i + 1], values["anchors"])[0]
        return boxes, reference.sigmoid(values["class_logits"][i]).T
    for boxes, scores in (DISPLACED, DECODED_OUTPUTS):
        if boxes in values:
            return values[boxes][i], values[scores][i]
    return values["pred_boxes"][i], values["pred_scores"][i]  # without NMS the outputs are these very tensors
