"""What calibrations on labelled sets share: what is on their pictures, where a quantization wants to know."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from exporter.calibration import Tell
from exporter.calibration.folder import FolderCalibration, check_whole
from exporter.common.errors import RequestError
from exporter.common.geometry import Geometry

if TYPE_CHECKING:
    from exporter.evaluation.examples import Example, Truth
    from exporter.evaluation.labels import LabelledSet


class LabelledCalibration(FolderCalibration):
    """As `FolderCalibration`, of the pictures that something lists. Its labels are looked at only where a quantization
    wants to know what is on the pictures; `strict`: what is odd about them is then an error."""

    strict: bool = False

    def problems(self, weights: str) -> Iterator[str]:
        """A clause if there are no pictures, or for those whose files are none or half of one."""
        try:
            check_whole(self._chosen()[0])
        except RequestError as error:
            yield str(error)


def truths_of(
    found: "LabelledSet", class_names: Sequence[str], geometry: Geometry, given: str, tell: Tell
) -> "Iterator[Truth] | None":
    """The labels in pixels of the network's input, None where they name other classes. given: the key that named them.
    Raises RequestError for labels that cannot be right."""
    from exporter.evaluation.classes import matched
    from exporter.evaluation.labels import examples

    found.notes.check()
    used = {found.categories[label.category] for picture in found.pictures for label in picture.labels}
    if matched(used, class_names).strange:
        return None
    labelled = examples(found, class_names, given)
    tell(labelled.notes)
    return (_on_input(each, geometry) for each in labelled)


def _on_input(example: "Example", geometry: Geometry) -> "Truth":
    """Its objects in pixels of the network's input."""
    placement = geometry.place(*example.read().shape[:2])
    truth, area = example.truth, placement.scale_x * placement.scale_y
    boxes = geometry.to_input(truth.boxes, placement).astype("float64")
    return replace(truth, boxes=boxes, areas=truth.areas * area)
