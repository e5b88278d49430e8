"""Evaluation on a folder of images and labels in COCO's json."""

from typing import Any

from pydantic import Field

from exporter.evaluation.coco_file import read_coco
from exporter.evaluation.examples import spread
from exporter.evaluation.labels import LabelledEvaluation, LabelledSet, check_some
from exporter.evaluation.notes import Notes


class CocoEvaluation(LabelledEvaluation):
    """Images that the json lists; those without annotations are background, files that it does not list are left
    alone. Categories may have gaps in their ids. Crowds and areas count as in COCO's own evaluation."""

    annotations: str = Field(coerce_numbers_to_str=True)

    def identity(self) -> dict[str, Any]:
        """As of any labels, wherever the json lies."""
        return {key: value for key, value in super().identity().items() if key != "annotations"}

    def read(self) -> LabelledSet:
        """The images that were chosen, and the categories' names by id."""
        notes = Notes(self.strict)
        coco = read_coco("evaluation", self.path, self.annotations, notes)
        found = coco.labelled(lambda ids: spread(ids, self.num_images))
        check_some(found)
        return found
