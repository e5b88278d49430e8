"""Do the artifact's outputs have the form that its format promises: names, types, shapes, order and unused rows?

What a program reads by position or by index is not seen by comparing sets of detections.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import onnx

from exporter.backend.request import Request
from exporter.graph import facts
from exporter.postprocessing.agreement import SCORE_MARGIN
from exporter.postprocessing.format import Promise
from exporter.proof.tensors import Outputs, Tensors

BOX_MARGIN = 0.02
"""Pixels: what two decodings of one box may differ by, as in `exporter.postprocessing.reference.alike`."""


def promised(model: onnx.ModelProto, request: Request) -> list[Promise] | None:
    """The outputs, in order, that the format or the lack of an NMS promises; None where nothing is."""
    dims = facts.tensor(model.graph.input[0])["shape"]
    batch = 1 if len(dims) == 3 else dims[0]  # one raw image has no dimension for more
    if request.nms.parameters is None:
        return [
            Promise("pred_boxes", "float32", (batch, None, 4)),
            Promise("pred_scores", "float32", (batch, None, None)),
        ]
    integers = "int32" if facts.has_plugin(model) else "int64"
    return request.format.promised(batch, request.nms.parameters.max_predictions_per_image, integers)


def declared_problems(model: onnx.ModelProto, wanted: list[Promise] | None) -> Iterator[str]:
    """Clauses on outputs that are not the promised ones."""
    if wanted is None:
        return
    found = [facts.tensor(value) for value in model.graph.output]
    if [each["name"] for each in found] != [name for name, _, _ in wanted]:
        yield f"its outputs are {[each['name'] for each in found]}, promised are {[name for name, _, _ in wanted]}"
        return
    for each, (name, dtype, shape) in zip(found, wanted, strict=True):
        if each["dtype"] != dtype:
            yield f"{name} is {each['dtype']}, promised is {dtype}"
        given = tuple(each["shape"])
        if len(given) != len(shape) or any(said not in (None, side) for side, said in zip(given, shape, strict=True)):
            yield f"{name} has the shape {list(given)}, promised is {['any' if s is None else s for s in shape]}"


def given_problems(tensors: Sequence[Tensors], plugin: bool) -> Iterator[str]:
    """Clauses on what came out, which was declared as promised. plugin: whether unused rows mean nothing."""
    given = [tensor.outputs for tensor in tensors if tensor.outputs is not None]
    runs = [outputs for outputs in given if outputs.image == 0]  # the first image of each run
    if not plugin and not all(_unused_are_minus_1(run.values) for run in runs if "num_predictions" in run.values):
        yield "rows from num_predictions on are not -1"
    if not all(_in_order_of_images(run) for run in runs if "flat_predictions" in run.values):
        yield "rows of flat_predictions are not those of the images, one after the other"
    found = [tensor.detections for tensor in tensors if tensor.detections is not None]
    if any((np.diff(each.scores) > SCORE_MARGIN).any() for each in found):
        yield "detections of an image are not in the order of their scores"
    raw = [tensor for tensor in tensors if tensor.detections is None]
    if not all(_are_the_cores(each, each.outputs) for each in raw if each.outputs is not None):
        yield "pred_boxes and pred_scores are not what the network's own tensors decode to"


def _unused_are_minus_1(values: Mapping[str, np.ndarray]) -> bool:
    unused = np.arange(values["pred_scores"].shape[1]) >= values["num_predictions"]  # [B, max]
    return all(bool((values[f"pred_{each}"][unused] == -1).all()) for each in ("boxes", "scores", "classes"))


def _in_order_of_images(run: Outputs) -> bool:
    images = run.values["flat_predictions"][:, 0]
    return bool(np.isin(images, np.arange(run.images)).all() and (np.diff(images) >= 0).all())


def _are_the_cores(tensor: Tensors, outputs: Outputs) -> bool:
    boxes, scores = (outputs.values[name][outputs.image] for name in ("pred_boxes", "pred_scores"))
    if boxes.shape != tensor.boxes.shape or scores.shape != tensor.scores.shape:
        return False
    near = np.abs(scores - tensor.scores) <= 1e-3 * tensor.scores + SCORE_MARGIN
    return bool((np.abs(boxes - tensor.boxes) <= BOX_MARGIN).all() and near.all())
