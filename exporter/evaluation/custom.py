"""Evaluation on a user's own labelled images, from a function or class of theirs."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from exporter.common.bit_depth import BitDepth
from exporter.common.errors import RequestError
from exporter.common.images import read_image
from exporter.common.messages import in_one_line
from exporter.common.user_code import UserCode, failing
from exporter.evaluation.classes import listed
from exporter.evaluation.examples import Examples, spread
from exporter.evaluation.gated import GatedEvaluation
from exporter.evaluation.labels import Label, Labelled, LabelledSet, area_of, check_some, examples, fitted
from exporter.evaluation.notes import Notes

if TYPE_CHECKING:
    import numpy as np


class CustomEvaluation(UserCode, GatedEvaluation):
    """What `target` gives for `arguments`: a list, or anything else with a length and items, as a torch Dataset has.

    Each item is (image, boxes, classes). image: uint8 [h, w, 3] RGB of any size, or the path of an image file;
    boxes: [n, 4] xyxy in pixels of that image; classes: [n] whole numbers, places in `class_names`, or where those
    are None in the model's own. Arrays, tensors and lists will do. Without objects (n = 0) it is background.

    An item is asked for once for its labels and again for its image, so that no two need to be held at once.
    """

    class_names: tuple[str, ...] | None
    num_images: int | None = Field(ge=1)
    strict: bool = False
    bit_depth: BitDepth = "auto"

    def examples(self, class_names: Sequence[str], height: int, width: int) -> Examples:
        """The images and their objects. Calls the target. Raises RequestError if that fails or gives something else,
        one that names the items for labels that cannot be right, and one that shows what differs for `class_names`
        that are not the model's."""
        items, notes = self._items(), Notes(self.strict)
        names = dict(enumerate(class_names if self.class_names is None else self.class_names))
        images = []
        with failing(f"{self.label}: has no length"):
            count = len(items)
        for i in spread(range(count), self.num_images):
            with notes.collecting():
                images.append(self._labelled(items, i, names, notes))
        found = LabelledSet(images, names, notes, self.label)
        check_some(found)
        return examples(found, class_names, self.bit_depth)

    def _items(self) -> Any:
        items = self.made()
        if not (hasattr(items, "__len__") and hasattr(items, "__getitem__")):
            raise RequestError(
                f"{self.label}: gives a {type(items).__name__}, which has no length or no items: let it give a list or"
                " a Dataset of (image, boxes, classes)"
            )
        return items

    def _labelled(self, items: Any, i: int, names: dict[int, str], notes: Notes) -> Labelled:
        """Item i, its labels checked; the image is let go."""
        import numpy as np

        place = f"{self.label}: item {i}"
        image, boxes, classes, file = self._item(items, i)
        height, width = image.shape[:2]
        if not set(classes) <= set(names):
            having = "the model" if self.class_names is None else "evaluation.class_names"
            numbers = listed([f"{c:g}" for c in sorted(set(classes))])
            raise RequestError(
                f"{place}: its classes are [{numbers}]; {having} has {len(names)}, [{listed(list(names.values()))}]:"
                " give places in that list, from 0, or the names of your own numbers with evaluation.class_names"
            )
        if not np.isfinite(boxes).all():
            raise RequestError(f"{place}: its boxes hold values that are no numbers (NaN or infinite): mend them")
        labels = []
        for sides, c in zip(boxes.tolist(), classes, strict=True):
            left, top, right, bottom = sides
            if (box := fitted((left, top, right, bottom), height, width, place, notes)) is not None:
                labels.append(Label(int(c), box, area_of(box)))
        return Labelled(f"item {i}", labels, file or (lambda: self._item(items, i)[0]))

    def _item(self, items: Any, i: int) -> "tuple[np.ndarray, np.ndarray, np.ndarray, Path | None]":
        """Item i: uint8 [h, w, 3], float64 [n, 4], float64 [n], and where the image was given as one, its path."""
        import numpy as np

        place = f"{self.label}: item {i}"
        try:
            image, boxes, classes = items[i]
            file = Path(image) if isinstance(image, str | Path) else None
            image = read_image(file) if file else np.asarray(image)
            boxes, classes = (np.asarray(each, np.float64) for each in (boxes, classes))
        except RequestError as error:
            raise RequestError(f"{place}: {error}") from error
        except Exception as error:  # user code can raise anything
            raise RequestError(
                f"{place}: is no (image, boxes, classes): {in_one_line(error)}: give an array or a path, boxes and"
                " class numbers"
            ) from error
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            given = f"{list(image.shape)} {image.dtype}"
            raise RequestError(f"{place}: its image is {given}: give [h, w, 3] uint8, RGB, or the path of a file")
        boxes = boxes.reshape(0, 4) if not boxes.size else boxes
        if boxes.ndim != 2 or boxes.shape[1] != 4 or classes.shape != boxes.shape[:1]:
            given = f"{list(boxes.shape)} and its classes {list(classes.shape)}"
            raise RequestError(f"{place}: its boxes are {given}: give [n, 4] (x1, y1, x2, y2 in pixels) and [n]")
        return image, boxes, classes, file
