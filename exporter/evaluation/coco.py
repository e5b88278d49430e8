"""Evaluation on a folder of images and labels in COCO's json."""

from collections.abc import Sequence

from pydantic import Field

from exporter.evaluation.coco_file import read_coco
from exporter.evaluation.examples import Examples, spread
from exporter.evaluation.labels import LabelledEvaluation, LabelledSet, check_some, examples
from exporter.evaluation.notes import Notes


class CocoEvaluation(LabelledEvaluation):
    """Images that the json lists; those without annotations are background, files that it does not list are left
    alone. Categories may have gaps in their ids. Crowds and areas count as in COCO's own evaluation."""

    annotations: str = Field(coerce_numbers_to_str=True)

    def examples(self, class_names: Sequence[str], height: int, width: int) -> Examples:
        """The images and their objects. Raises RequestError that names the places for labels that cannot be right,
        and one that shows what differs for categories that are not the model's."""
        return examples(self.read(), class_names, f"evaluation.annotations={self.annotations}", self.bit_depth)

    def read(self) -> LabelledSet:
        """The images that were chosen, and the categories' names by id."""
        notes = Notes(self.strict)
        coco = read_coco("evaluation", self.path, self.annotations, notes)
        found = coco.labelled(lambda ids: [ids[i] for i in spread(len(ids), self.num_images)])
        check_some(found, coco.given)
        return found
