"""What every evaluation gives: images, and what is in them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from exporter.common.bit_depth import Depth

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")


@dataclass(frozen=True)
class GroundTruth:
    """The objects of one image: boxes float64 [n, 4] xyxy in its own pixels; classes int64 [n], indices of the
    model's; crowd bool [n], regions of many objects, where detections count neither for nor against; areas float64
    [n] in pixels, what makes an object small, medium or large."""

    boxes: "np.ndarray"
    classes: "np.ndarray"
    crowd: "np.ndarray"
    areas: "np.ndarray"

    @classmethod
    def of(cls, boxes: "np.ndarray", classes: "np.ndarray") -> "GroundTruth":
        """Objects without crowds, as large as their boxes."""
        import numpy as np

        boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
        sides = boxes[:, 2:] - boxes[:, :2]
        return cls(boxes, np.asarray(classes, np.int64), np.zeros(len(boxes), bool), sides.prod(axis=1))


@dataclass(frozen=True)
class Example:
    """One image by name, what is in it, and how to get it: uint8 [h, w, 3] RGB. Of a file `depth` says how many bits
    it and all others of the set use, where those have 16."""

    name: str
    ground_truth: GroundTruth
    read: "Callable[[], np.ndarray]"
    depth: Depth | None = None


class Examples(list[Example]):
    """Labelled images; `notes` counts what was odd about their labels, by kind, see `exporter.evaluation.notes`."""

    def __init__(self, examples: Iterable[Example], notes: Mapping[str, int]):
        super().__init__(examples)
        self.notes = dict(notes)


def spread(things: Sequence[T], wanted: int | None) -> list[T]:
    """So many of the things (None: all), evenly spread, in order."""
    if wanted is None or wanted >= len(things):
        return list(things)
    return [things[i * len(things) // wanted] for i in range(wanted)]
