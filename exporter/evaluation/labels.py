"""From the labels of a data set, however they are kept, to examples in the model's classes; what is odd about them is
counted, what cannot be right is one line that names the files and the places."""

import hashlib
import json
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import Field

from exporter.common.bit_depth import BitDepth, Depth
from exporter.common.errors import RequestError
from exporter.common.files import files_digest
from exporter.evaluation.classes import listed, matched, only
from exporter.evaluation.examples import Example, Examples, GroundTruth
from exporter.evaluation.gated import GatedEvaluation
from exporter.evaluation.notes import Notes, in_words

if TYPE_CHECKING:
    import numpy as np

# Annotation tools round: a box that reaches this far, in pixels, beyond its image is taken as it is.
TOLERANCE = 1.0

Box = tuple[float, float, float, float]


class LabelledEvaluation(GatedEvaluation):
    """Base of the evaluations on a data set on the disk; a subclass reads its own way of keeping labels."""

    path: str = Field(coerce_numbers_to_str=True)
    num_images: int | None = Field(ge=1)
    strict: bool = False
    bit_depth: BitDepth = "auto"

    @abstractmethod
    def read(self) -> "LabelledSet":
        """The images that were chosen, and what is on them. Raises RequestError that names the first mistakes and
        the number of the others."""

    def examples(self, class_names: Sequence[str], height: int, width: int) -> Examples:
        """The images and their objects. Raises RequestError that names the places for labels that cannot be right,
        and one that shows what differs for names that are not the model's."""
        return examples(self.read(), class_names, self.bit_depth)

    def identity(self) -> dict[str, Any]:
        """The chosen images and their labels by their digests, wherever they lie."""
        found = self.read()
        labels = [[each.name, [astuple(label) for label in each.labels]] for each in found.images]
        content = [labels, list(found.categories.items()), found.notes.counts]
        files = files_digest(each.image for each in found.images if isinstance(each.image, Path))
        fields = self.model_dump(mode="json", exclude={"path"})
        return {
            "node": type(self).__qualname__,
            **fields,
            "labels": hashlib.sha256(json.dumps(content).encode()).hexdigest(),
            "pictures": files,
        }

    def problems(self) -> Iterator[str]:
        """A line on the mistakes in the labels and in the images' files, if there are any."""
        try:
            self.read()
        except RequestError as error:
            yield str(error)


@dataclass(frozen=True)
class Label:
    """One object: the category's id in its data set, box xyxy in pixels of the image, its area in pixels."""

    category: int
    box: Box
    area: float
    crowd: bool = False


@dataclass(frozen=True)
class Labelled:
    """One image by name and its objects; none: it is background. image: its file, or what gives it, uint8 [h, w, 3]
    RGB."""

    name: str
    labels: Sequence[Label]
    image: "Path | Callable[[], np.ndarray]"


class LabelledSet(NamedTuple):
    """The images that were chosen, the names of the categories by id, what was odd about them, and the key that named
    them with what it was given."""

    images: list[Labelled]
    categories: dict[int, str]
    notes: Notes
    given: str


def fitted(box: Box, height: int, width: int, place: str, notes: Notes) -> Box | None:
    """The box xyxy, in pixels, as far as it lies on its image of height × width; None where nothing of it does, or it
    has no extent. What had to be done is noted."""
    left, top, right, bottom = box
    shown = f"{place}: the box [{', '.join(f'{side:g}' for side in box)}] (x1, y1, x2, y2)"
    if right <= left or bottom <= top:
        notes.odd("dropped_without_extent", shown)
        return None
    if left >= -TOLERANCE and top >= -TOLERANCE and right <= width + TOLERANCE and bottom <= height + TOLERANCE:
        return box
    inside = max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height))
    kept = inside[0] < inside[2] and inside[1] < inside[3]
    notes.odd("clipped" if kept else "dropped_outside", f"{shown} on {width} × {height} pixels")
    return inside if kept else None


def area_of(box: Box) -> float:
    """Of a box xyxy."""
    return (box[2] - box[0]) * (box[3] - box[1])


def check_some(found: LabelledSet) -> None:
    """Raises RequestError for the mistakes that were noted, and where there is nothing to score: no images, or none
    with an object."""
    found.notes.check()
    given = found.given
    if not found.images:
        raise RequestError(f"{given}: lists no images: give labels of some")
    if not any(not label.crowd for image in found.images for label in image.labels):
        odd = f" ({in_words(found.notes.counts)})" if found.notes.counts else ""
        raise RequestError(
            f"{given}: none of {len(found.images)} images has a label{odd}, so there is nothing to score: check"
            " that these labels belong to these images"
        )


def examples(found: LabelledSet, class_names: Sequence[str], bit_depth: BitDepth = "auto") -> Examples:
    """The images with their objects in the model's classes, matched by name.

    Categories that label nothing need not be the model's, and the model may have more: its other classes are not
    scored. bit_depth: of those that are files of 16 bits. Raises RequestError that shows what differs where a category
    is not the model's.
    """
    import numpy as np

    images, categories, notes, given = found
    used = {label.category for image in images for label in image.labels}
    match = matched((categories[i] for i in sorted(used)), class_names)
    if match.strange:
        unknown = only(class_names, categories.values())
        besides = f"; the model has {listed(unknown)} instead" if unknown else ""
        raise RequestError(
            f"{given}: {listed(match.strange)}: not a class of the model, or not only one{besides}: take the labels"
            " that belong to the weights, or say the classes' names in their order with model.class_names"
        )
    for name in match.other_case:
        notes.odd("names_in_other_case", f"{given}: {name}")
    for name in matched((categories[i] for i in categories if i not in used), class_names).strange:
        notes.odd("categories_ignored", f"{given}: {name}")
    notes.check()
    index = {i: match.places[categories[i]] for i in used}

    def ground_truth(labels: Sequence[Label]) -> GroundTruth:
        return GroundTruth(
            np.array([label.box for label in labels], np.float64).reshape(-1, 4),
            np.array([index[label.category] for label in labels], np.int64),
            np.array([label.crowd for label in labels], bool),
            np.array([label.area for label in labels], np.float64),
        )

    depth = Depth([each.image for each in images if isinstance(each.image, Path)], bit_depth)

    def example(each: Labelled) -> Example:
        objects = ground_truth(each.labels)
        if isinstance(each.image, Path):
            return Example(each.name, objects, partial(depth.read, each.image), depth)
        return Example(each.name, objects, each.image)

    return Examples(map(example, images), notes.counts)
