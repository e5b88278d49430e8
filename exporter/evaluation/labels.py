"""From the labels of a data set, however they are kept, to examples in the model's classes; what cannot be right is one
line that names the file and the place."""

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field

from exporter.bit_depth import BitDepth, Depth
from exporter.errors import RequestError
from exporter.evaluation.examples import Example, Truth, unlike
from exporter.evaluation.settings import EvaluationNode
from exporter.manifest import files_digest
from exporter.pictures import read_picture

if TYPE_CHECKING:
    import numpy as np

# Annotation tools round: a box may reach this far, in pixels, beyond its picture.
TOLERANCE = 1.0


class LabelledEvaluation(EvaluationNode):
    """Base of the evaluations on a data set on the disk; a subclass reads its own way of keeping labels."""

    path: str = Field(coerce_numbers_to_str=True)
    num_images: int | None = Field(ge=1)
    bit_depth: BitDepth = "auto"

    def read(self) -> "tuple[list[Labelled], dict[int, str]]":
        """The pictures that were chosen, and the names of the categories by id. Raises RequestError."""
        raise NotImplementedError

    def identity(self) -> dict[str, Any]:
        """The chosen pictures and their labels by their digests, wherever they lie."""
        pictures, names = self.read()
        labels = [[each.name, [astuple(label) for label in each.labels]] for each in pictures]
        found = hashlib.sha256(json.dumps([labels, list(names.items())]).encode()).hexdigest()
        files = files_digest(each.file for each in pictures if each.file is not None)
        fields = self.model_dump(mode="json", exclude={"path", "annotations"})
        return {"node": type(self).__qualname__, **fields, "labels": found, "pictures": files}

    def problems(self) -> Iterator[str]:
        """The first mistake in the labels, or in the headers of the pictures, if there is one."""
        try:
            self.read()
        except RequestError as error:
            yield str(error)


@dataclass(frozen=True)
class Label:
    """One object: the category's id in its data set, box xyxy in pixels of the picture, its area in pixels."""

    category: int
    box: tuple[float, float, float, float]
    area: float
    crowd: bool = False


@dataclass(frozen=True)
class Labelled:
    """One picture by name and its objects; none: it is background. `read` gives it, uint8 [h, w, 3] RGB."""

    name: str
    labels: tuple[Label, ...]
    read: "Callable[[], np.ndarray]"
    file: Path | None = None

    @classmethod
    def of_file(cls, file: Path, labels: Sequence[Label]) -> Self:
        """A picture on the disk."""
        return cls(file.name, tuple(labels), lambda: read_picture(file), file)


def check_box(box: Sequence[float], height: int, width: int, place: str) -> None:
    """Raises RequestError for a box xyxy, in pixels, without a size or beyond its picture of height × width."""
    left, top, right, bottom = box
    shown = "[" + ", ".join(f"{side:g}" for side in box) + "]"
    if not all(math.isfinite(side) for side in box) or right <= left or bottom <= top:
        raise RequestError(f"{place}: the box {shown} (x1, y1, x2, y2) has no size: mend or remove it")
    outside = left < -TOLERANCE or top < -TOLERANCE or right > width + TOLERANCE or bottom > height + TOLERANCE
    if outside:
        raise RequestError(
            f"{place}: the box {shown} (x1, y1, x2, y2) lies outside its picture of {width} × {height} pixels:"
            " mend or remove it"
        )


def check_some(pictures: Sequence[Labelled], given: str) -> None:
    """Raises RequestError where there is nothing to score: no pictures, or none with an object."""
    if not pictures:
        raise RequestError(f"{given}: lists no pictures: give labels of some")
    if not any(not label.crowd for picture in pictures for label in picture.labels):
        raise RequestError(
            f"{given}: none of {len(pictures)} pictures has a label, so there is nothing to score: check that these"
            " labels belong to these pictures"
        )


def examples(
    pictures: Sequence[Labelled],
    categories: Mapping[int, str],
    class_names: Sequence[str],
    given: str,
    bit_depth: BitDepth = "auto",
) -> list[Example]:
    """The pictures with their objects in the model's classes, matched by name.

    categories: name by id. Those that label nothing need not be the model's, and the model may have more: its other
    classes are not scored. bit_depth: of those that are files of 16 bits. Raises RequestError that shows both lists
    where a category is not the model's.
    """
    import numpy as np

    used = {label.category for picture in pictures for label in picture.labels}
    strange = sorted(categories[i] for i in used if list(class_names).count(categories[i]) != 1)
    if strange:
        raise RequestError(
            f"{given}: {', '.join(strange[:3])}{' …' if len(strange) > 3 else ''}: not a class of the model, or"
            f" not only one: {unlike(list(categories.values()), class_names)}: take the labels that belong to the"
            " weights, or say the classes' names in their order with model.class_names"
        )
    index = {i: list(class_names).index(categories[i]) for i in used}

    def truth(labels: Sequence[Label]) -> Truth:
        return Truth(
            np.array([label.box for label in labels], np.float64).reshape(-1, 4),
            np.array([index[label.category] for label in labels], np.int64),
            np.array([label.crowd for label in labels], bool),
            np.array([label.area for label in labels], np.float64),
        )

    depth = Depth([p.file for p in pictures if p.file], bit_depth)
    files = [partial(depth.read, p.file) if p.file else None for p in pictures]
    return [
        Example(p.name, truth(p.labels), read or p.read, depth if read else None)
        for p, read in zip(pictures, files, strict=True)
    ]
