"""Evaluation on a folder of pictures and labels in COCO's json."""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from exporter.evaluation.coco_file import read_coco
from exporter.evaluation.examples import Example, spread
from exporter.evaluation.labels import Labelled, LabelledEvaluation, check_some, examples


class CocoEvaluation(LabelledEvaluation):
    """Pictures that the json lists; those without annotations are background, files that it does not list are left
    alone. Categories may have gaps in their ids. Crowds and areas count as in COCO's own evaluation."""

    name: ClassVar[str] = "coco"

    annotations: str = Field(coerce_numbers_to_str=True)

    def examples(self, class_names: Sequence[str], height: int, width: int) -> list[Example]:
        """The pictures and their objects. Raises RequestError that names the place for labels that cannot be right,
        and one that shows both lists for categories that are not the model's."""
        pictures, categories = self.read()
        return examples(pictures, categories, class_names, f"evaluation.annotations={self.annotations}", self.bit_depth)

    def read(self) -> tuple[list[Labelled], dict[int, str]]:
        """The pictures that were chosen, and the categories' names by id."""
        coco = read_coco("evaluation", self.path, self.annotations)
        pictures, categories = coco.labelled(lambda ids: [ids[i] for i in spread(len(ids), self.num_images)])
        check_some(pictures, coco.given)
        return pictures, categories
