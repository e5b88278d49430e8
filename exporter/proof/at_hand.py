"""The images at hand: what the network can be looked at on, best the user's own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from exporter.calibration import CalibrationNode
from exporter.common.geometry import Geometry
from exporter.demo.scenes import scene
from exporter.evaluation import EvaluationNode
from exporter.evaluation.examples import GroundTruth, spread
from exporter.preprocessing.normalization import UNCHANGED
from exporter.proof.settings import MAX_LOOKED_AT

NUM_SYNTHETIC = 8


@dataclass(frozen=True)
class AtHand:
    """images: uint8 [n, H, W, 3] RGB, resized and padded to the network's input; ground_truths: their objects, boxes in
    pixels of that input, None where nobody says; of: where they come from, in words; users: whether the
    user gave them."""

    images: np.ndarray
    ground_truths: list[GroundTruth] | None
    of: str
    users: bool

    @property
    def num_objects(self) -> int | None:
        """Labelled ones, crowds left out; None without labels."""
        return (
            None
            if self.ground_truths is None
            else sum(int((~ground_truth.crowd).sum()) for ground_truth in self.ground_truths)
        )

    def some(self, count: int) -> "AtHand":
        """At most `count` of them, evenly spread."""
        chosen = spread(range(len(self.images)), count)
        return replace(
            self,
            images=self.images[chosen],
            ground_truths=self.ground_truths and [self.ground_truths[i] for i in chosen],
        )


def at_hand(
    evaluation: EvaluationNode, calibration: CalibrationNode | None, class_names: Sequence[str], geometry: Geometry,
    size: tuple[int, int],
) -> AtHand:  # fmt: skip
    """At most `MAX_LOOKED_AT`: the evaluation's that hold objects; else the user's for calibration, where they are read
    as pixels (floats are normalised already, rightly or not); else synthetic images. size: height and width that
    synthetic images are drawn at. Raises RequestError for an image that cannot be read."""
    if evaluation.measures and (found := _labelled(evaluation, class_names, geometry, size)):
        return found
    if calibration is not None and calibration.users:
        pairs = calibration.images(geometry, UNCHANGED).pairs()
        shown = [given[0].transpose(1, 2, 0).astype(np.uint8) for read, given in pairs if read.dtype == np.uint8]
        if shown:
            return AtHand(np.stack(shown), None, "calibration images", users=True)
    synthetic = [scene("proof", i, geometry.height, geometry.width).image for i in range(NUM_SYNTHETIC)]
    return AtHand(np.stack(synthetic), None, "demo scenes", users=False)


def _labelled(
    evaluation: EvaluationNode, class_names: Sequence[str], geometry: Geometry, size: tuple[int, int]
) -> AtHand | None:
    """None where no image of the evaluation holds an object."""
    examples = evaluation.examples(class_names, *size)
    examples = [example for example in examples if not example.ground_truth.crowd.all()]
    chosen = spread(examples, MAX_LOOKED_AT)
    images, ground_truths = [], []
    for example in chosen:
        image = example.read()
        images.append(geometry.apply(image))
        transform = geometry.transform(*image.shape[:2])
        ground_truths.append(
            replace(example.ground_truth, boxes=geometry.to_input(example.ground_truth.boxes, transform))
        )
    if not images:
        return None
    return AtHand(np.stack(images), ground_truths, f"images of evaluation={evaluation.name}", users=evaluation.users)
