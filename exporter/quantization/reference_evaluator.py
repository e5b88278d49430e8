"""What a core in another precision is held against: calibration images, what is on them, and what the float core
makes of them.

What is on them comes from their labels, where they have any. Else the objects are those that the float core itself is
sure of, and a loss of mAP means: so much less like the float core. Labels of an evaluation are never used, for choosing
by them would spoil them as a test.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import onnx

from exporter.common.errors import BuildError
from exporter.evaluation.examples import GroundTruth
from exporter.evaluation.scores import scores
from exporter.postprocessing.detections import Detections
from exporter.postprocessing.format.batch import BatchFormat
from exporter.postprocessing.nms import NmsNode
from exporter.proof.tensors import Tensors, tensors
from exporter.quantization import observe
from exporter.quantization.task import Task

CONFIDENT = 0.5
"""The score from which a detection of the float core stands for an object."""


@dataclass(frozen=True)
class ReferenceEvaluator:
    """core: the float one; images: float32 [1, 3, H, W] each; ground_truths: their objects, boxes in pixels of the
    network's input; labels: where those come from; nms: what makes detections of outputs; num_classes and unordered: of
    the network; map: that of the float core, in points of 100."""

    core: onnx.ModelProto
    images: Sequence[np.ndarray]
    ground_truths: Sequence[GroundTruth]
    labels: str
    nms: NmsNode
    num_classes: int
    map: float
    unordered: bool = False

    def mean_precision(self, core: onnx.ModelProto) -> float:
        """mAP@[.5:.95] of a core in points of 100, on all images."""
        found = [finished(each) for each in outcomes(core, self.nms, self.images)]
        return scores(found, self.ground_truths, self.num_classes).map


def reference_evaluator(task: Task, num_images: int) -> ReferenceEvaluator:
    """From the first `num_images` images of the task. Raises BuildError where the float core finds nothing there, or
    nothing right: there is no drop from there."""
    assert task.images is not None and task.nms is not None  # a node that needs calibration gets both
    single = (image[i : i + 1] for image in task.images for i in range(len(image)))
    images = list(islice(single, num_images))
    found, num_classes = [], 0
    for each in outcomes(task.core, task.nms, images):
        found.append(finished(each))
        num_classes = each.scores.shape[1]
    known = task.ground_truths()
    labels, given = "the pictures' own", list(islice(known, len(images))) if known is not None else None
    if given is None:
        labels, given = f"detections of the float core, scored {CONFIDENT} and above", [_sure(each) for each in found]
    where = f"on {len(images)} calibration images"
    if not has_objects(given):
        raise BuildError(
            f"quantization=mixed: there is no object {where} ({labels}), so a drop of mAP cannot be measured:"
            " calibrate on images of what the network was trained for, or take quantization=int8"
        )
    float_map = scores(found, given, num_classes).map
    if not float_map:
        raise BuildError(
            f"quantization=mixed: the float network finds none of the labelled objects {where}, so a drop of mAP cannot"
            " be measured: check weights, normalisation and postprocessing.nms.confidence_threshold"
        )
    return ReferenceEvaluator(task.core, images, given, labels, task.nms, num_classes, float_map, task.unordered)


def outcomes(core: onnx.ModelProto, nms: NmsNode, images: Sequence[np.ndarray]) -> Iterator[Tensors]:
    """What a core gives for each image before NMS, and the detections that the artifact would make of it."""
    model = BatchFormat().attach(nms.attach(core)).SerializeToString()
    batches = (batch for batch, _ in observe.batches(core, images))
    return islice(tensors(model, batches), len(images))


def has_objects(ground_truths: Sequence[GroundTruth]) -> bool:
    """Whether there is anything to find: crowds count neither for nor against."""
    return any(not ground_truth.crowd.all() for ground_truth in ground_truths)


def finished(outcome: Tensors) -> Detections:
    """The detections of one of `outcomes`."""
    assert outcome.detections is not None  # `outcomes` puts an NMS into the graph
    return outcome.detections


def _sure(found: Detections) -> GroundTruth:
    sure = found.scores >= CONFIDENT
    return GroundTruth.of(found.boxes[sure], found.classes[sure])
