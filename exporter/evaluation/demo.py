"""Evaluation on the synthetic images of the demo."""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from exporter.common.errors import RequestError
from exporter.evaluation.classes import listed
from exporter.evaluation.examples import Example, Examples, GroundTruth
from exporter.evaluation.gated import GatedEvaluation


class DemoEvaluation(GatedEvaluation):
    """The first synthetic images of the split that is neither trained nor calibrated on, drawn at the input's size."""

    users: ClassVar[bool] = False

    num_images: int = Field(ge=1)

    def examples(self, class_names: Sequence[str], height: int, width: int) -> Examples:
        """The synthetic images. Raises RequestError where the model's classes are not the demo's."""
        from exporter.demo.scenes import CLASS_NAMES, scene

        if tuple(class_names) != CLASS_NAMES:
            raise RequestError(
                f"evaluation=demo: the model's classes are not the demo's, {listed(CLASS_NAMES)}, in this order; it has"
                f" {listed(class_names)}: only networks trained on the synthetic images can be scored on them: take"
                " your own images, evaluation=coco or evaluation=yolo (of a verb: --coco or --yolo)"
            )
        found = []
        for i in range(self.num_images):
            drawn = scene("evaluation", i, height, width)
            # Drawn again when it is run: hundreds of images need not be held at once.
            found.append(
                Example(
                    f"scene {i}",
                    GroundTruth.of(drawn.boxes, drawn.classes),
                    lambda i=i: scene("evaluation", i, height, width).image,
                )
            )
        return Examples(found, {})
