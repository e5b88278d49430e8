"""What calibrations on labelled sets share: what is on their images, where a quantization wants to know."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from exporter.calibration import Tell
from exporter.calibration.folder import FolderCalibration, check_whole
from exporter.common.errors import RequestError
from exporter.common.geometry import Geometry

if TYPE_CHECKING:
    from exporter.evaluation.examples import Example, GroundTruth
    from exporter.evaluation.labels import LabelledSet


class LabelledCalibration(FolderCalibration):
    """As `FolderCalibration`, of the images that something lists. Its labels are looked at only where a quantization
    wants to know what is on the images; `strict`: what is odd about them is then an error."""

    strict: bool = False

    def problems(self, weights: str) -> Iterator[str]:
        """A clause if there are no images, or for those whose files are none or half of one."""
        try:
            check_whole(self._chosen()[0])
        except RequestError as error:
            yield str(error)


def ground_truths_of(
    found: "LabelledSet", class_names: Sequence[str], geometry: Geometry, tell: Tell
) -> "Iterator[GroundTruth] | None":
    """The labels in pixels of the network's input, None where they name other classes. Raises RequestError for labels
    that cannot be right."""
    from exporter.evaluation.classes import matched
    from exporter.evaluation.labels import examples

    found.notes.check()
    used = {found.categories[label.category] for image in found.images for label in image.labels}
    if matched(used, class_names).strange:
        return None
    labelled = examples(found, class_names)
    tell(labelled.notes)
    return (_on_input(each, geometry) for each in labelled)


def _on_input(example: "Example", geometry: Geometry) -> "GroundTruth":
    """Its objects in pixels of the network's input."""
    transform = geometry.transform(*example.read().shape[:2])
    ground_truth, area = example.ground_truth, transform.scale_x * transform.scale_y
    boxes = geometry.to_input(ground_truth.boxes, transform).astype("float64")
    return replace(ground_truth, boxes=boxes, areas=ground_truth.areas * area)
