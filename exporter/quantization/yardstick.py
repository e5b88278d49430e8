"""What a core in another precision is held against: calibration pictures, what is on them, and what the float core
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
from exporter.evaluation.examples import Truth
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
class Yardstick:
    """core: the float one; pictures: float32 [1, 3, H, W] each; truths: their objects, boxes in pixels of the network's
    input; labels: where those come from; nms: what makes detections of outputs; num_classes: of the network; map: that
    of the float core, in points of 100."""

    core: onnx.ModelProto
    pictures: Sequence[np.ndarray]
    truths: Sequence[Truth]
    labels: str
    nms: NmsNode
    num_classes: int
    map: float

    def mean_precision(self, core: onnx.ModelProto) -> float:
        """mAP@[.5:.95] of a core in points of 100, on all pictures."""
        found = [finished(each) for each in outcomes(core, self.nms, self.pictures)]
        return scores(found, self.truths, self.num_classes).map


def yardstick(task: Task, num_images: int) -> Yardstick:
    """From the first `num_images` pictures of the task. Raises BuildError where the float core finds nothing there, or
    nothing right: there is no drop from there."""
    assert task.pictures is not None and task.nms is not None  # a node that needs calibration gets both
    single = (image[i : i + 1] for image in task.pictures for i in range(len(image)))
    pictures = list(islice(single, num_images))
    found, num_classes = [], 0
    for each in outcomes(task.core, task.nms, pictures):
        found.append(finished(each))
        num_classes = each.scores.shape[1]
    known = task.truths()
    labels, given = "the pictures' own", list(islice(known, len(pictures))) if known is not None else None
    if given is None:
        labels, given = f"detections of the float core, scored {CONFIDENT} and above", [_sure(each) for each in found]
    where = f"on {len(pictures)} calibration pictures"
    if not has_objects(given):
        raise BuildError(
            f"quantization=mixed: there is no object {where} ({labels}), so a drop of mAP cannot be measured:"
            " calibrate on pictures of what the network was trained for, or take quantization=int8"
        )
    float_map = scores(found, given, num_classes).map
    if not float_map:
        raise BuildError(
            f"quantization=mixed: the float network finds none of the labelled objects {where}, so a drop of mAP cannot"
            " be measured: check weights, normalisation and postprocessing.nms.confidence_threshold"
        )
    return Yardstick(task.core, pictures, given, labels, task.nms, num_classes, float_map)


def outcomes(core: onnx.ModelProto, nms: NmsNode, pictures: Sequence[np.ndarray]) -> Iterator[Tensors]:
    """What a core gives for each picture before NMS, and the detections that the artifact would make of it."""
    model = BatchFormat().attach(nms.attach(core)).SerializeToString()
    batches = (batch for batch, _ in observe.batches(core, pictures))
    return islice(tensors(model, batches), len(pictures))


def has_objects(truths: Sequence[Truth]) -> bool:
    """Whether there is anything to find: crowds count neither for nor against."""
    return any(not truth.crowd.all() for truth in truths)


def finished(outcome: Tensors) -> Detections:
    """The detections of one of `outcomes`."""
    assert outcome.detections is not None  # `outcomes` puts an NMS into the graph
    return outcome.detections


def _sure(found: Detections) -> Truth:
    sure = found.scores >= CONFIDENT
    return Truth.of(found.boxes[sure], found.classes[sure])
