"""Do the artifact's outputs have the form that its format promises: names, types, shapes, order and unused rows?

What a program reads by position or by index is not seen by comparing sets of detections.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import onnx

from exporter.backend.request import Request
from exporter.graph import facts
from exporter.postprocessing.agreement import Margins
from exporter.postprocessing.format import Promise
from exporter.proof.tensors import Outputs, Tensors


def promised(model: onnx.ModelProto, request: Request) -> list[Promise] | None:
    """The outputs, in order, that the format, or the lack of any, promises; None where nothing is."""
    dims = facts.tensor(model.graph.input[0])["shape"]
    batch = 1 if len(dims) == 3 else dims[0]  # one raw image has no dimension for more
    if not request.formatted:
        return [
            Promise("pred_boxes", "float32", (batch, None, 4)),
            Promise("pred_scores", "float32", (batch, None, None)),
        ]
    integers = "int32" if facts.has_plugin(model) else "int64"
    inside = request.nms.parameters
    return request.format.promised(batch, inside.max_predictions_per_image if inside else None, integers)


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


def given_problems(
    tensors: Sequence[Tensors], shown: Sequence[np.ndarray], request: Request, plugin: bool, margins: Margins
) -> Iterator[str]:
    """Clauses on what came out, which was declared as promised. shown: the image that the network saw of each, [H, W,
    3]; plugin: whether unused rows mean nothing; margins: of the engine."""
    given = [tensor.outputs for tensor in tensors if tensor.outputs is not None]
    runs = [outputs for outputs in given if outputs.image == 0]  # the first image of each run
    if not plugin and not all(_unused_are_minus_1(run.values) for run in runs if "num_predictions" in run.values):
        yield "rows from num_predictions on are not -1"
    if not all(_in_order_of_images(run) for run in runs if "flat_predictions" in run.values):
        yield "rows of flat_predictions are not those of the images, one after the other"
    found = [tensor.detections for tensor in tensors if tensor.detections is not None]
    if any((np.diff(each.scores) > margins.score).any() for each in found):
        yield "detections of an image are not in the order of their scores"
    if request.clip and not all(_is_clipped(each, image) for each, image in zip(tensors, shown, strict=True)):
        yield "boxes are not those of the NMS clipped to the input"
    if not request.nms.detects and not all(
        _are_the_cores(each, image, request, margins) for each, image in zip(tensors, shown, strict=True)
    ):
        names = " and ".join(tensors[0].outputs.values) if tensors[0].outputs else "they"
        yield f"{names} are not what the network's own tensors decode to"


def _unused_are_minus_1(values: Mapping[str, np.ndarray]) -> bool:
    unused = np.arange(values["pred_scores"].shape[1]) >= values["num_predictions"]  # [B, max]
    return all(bool((values[f"pred_{each}"][unused] == -1).all()) for each in ("boxes", "scores", "classes"))


def _in_order_of_images(run: Outputs) -> bool:
    images = run.values["flat_predictions"][:, 0]
    return bool(np.isin(images, np.arange(run.images)).all() and (np.diff(images) >= 0).all())


def _clipped(boxes: np.ndarray, image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    return np.clip(boxes, 0, np.array([width, height, width, height], np.float32))


def _is_clipped(tensor: Tensors, image: np.ndarray) -> bool:
    """Whether the detections that left the graph are those of the NMS, clipped; all boxes are compared elsewhere."""
    if tensor.detections is None or tensor.clipped is None:
        return tensor.detections is None
    return np.array_equal(tensor.clipped, _clipped(tensor.detections.boxes, image))


def _are_the_cores(tensor: Tensors, image: np.ndarray, request: Request, margins: Margins) -> bool:
    """Whether all boxes left the graph as the network gave them: clipped or not, with all scores or the best one."""
    assert tensor.outputs is not None  # a finished artifact has outputs
    got = request.read_boxes(tensor.outputs.values, tensor.outputs.images)[tensor.outputs.image]
    boxes, scores = _clipped(tensor.boxes, image) if request.clip else tensor.boxes, tensor.scores
    classes = got.scores.shape[1]
    if got.boxes.shape != boxes.shape or len(got.scores) != len(scores) or classes > scores.shape[1]:
        return False
    if request.formatted and request.format.best_class_only:
        # Which class that is a rounding may decide: its score has to be the class's own, and the best there is.
        given = got.scores > 0
        own = np.where(given, scores[:, :classes], 0)
        best = np.abs(got.scores.max(axis=1) - scores.max(axis=1)) <= _score_margin(scores.max(axis=1), margins)
        if not (best.all() and (given.sum(axis=1) <= 1).all()):
            return False
        scores = own
    if got.scores.shape != scores.shape:
        return False
    near = np.abs(got.scores - scores) <= _score_margin(scores, margins)
    return bool((np.abs(got.boxes - boxes) <= margins.any_box).all() and near.all())


def _score_margin(scores: np.ndarray, margins: Margins) -> np.ndarray:
    return 1e-3 * scores + margins.score
