"""The artifact's own tensors before NMS: what its post-processing was given, taken out of the very same run."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx

from exporter.graph.trace import DECODED_OUTPUTS, RAW_OUTPUTS
from exporter.inference import Detections, encode, rows, session
from exporter.manifest import Input, Preprocessing
from exporter.postprocessing import reference


@dataclass(frozen=True)
class Tensors:
    """Of one picture: boxes [N, 4] xyxy in pixels of the input, scores [N, C] after the sigmoid, and what the artifact
    made of them (None where it has no NMS)."""

    boxes: np.ndarray
    scores: np.ndarray
    detections: Detections | None


def artifact_tensors(
    model: onnx.ModelProto, pictures: np.ndarray, input: Input, preprocessing: Preprocessing, batch: int
) -> Iterator[Tensors]:
    """Runs the artifact on uint8 [n, H, W, 3] RGB pictures of the input's size, `batch` at a time.

    The core's outputs are looked up by name in the finished graph; a graph that no longer has them is not provable.
    """
    outputs = {output.name for output in model.graph.output}
    run = session(_exposed(model).SerializeToString())
    names = [output.name for output in run.get_outputs()]
    for start in range(0, len(pictures), batch):
        chosen = [(start + i) % len(pictures) for i in range(batch)]  # a fixed batch is filled up from the beginning
        values = dict(
            zip(names, run.run(None, {input.name: encode(pictures[chosen], input, preprocessing)}), strict=True)
        )
        finished = rows(values, batch) if {"num_predictions", "flat_predictions"} & outputs else [None] * batch
        for i in range(min(batch, len(pictures) - start)):
            yield Tensors(*_before_nms(values, i), finished[i])


def _exposed(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose outputs also hold the core's."""
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    known = {name for node in model.graph.node for name in node.output} | {i.name for i in model.graph.initializer}
    present = {output.name for output in model.graph.output}
    for names in (RAW_OUTPUTS, DECODED_OUTPUTS):
        if set(names) <= known:
            exposed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in present)
            break
    return exposed


def _before_nms(values: dict[str, np.ndarray], i: int) -> tuple[np.ndarray, np.ndarray]:
    if "box_logits" in values:
        boxes = reference.decode(values["box_logits"][i : i + 1], values["anchors"])[0]
        return boxes, reference.sigmoid(values["class_logits"][i]).T
    if "boxes" in values:
        return values["boxes"][i], values["scores"][i]
    return values["pred_boxes"][i], values["pred_scores"][i]  # without NMS the outputs are these very tensors
