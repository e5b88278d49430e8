"""Calibration on the pictures that a COCO json lists."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from exporter.calibration.folder import FolderCalibration, spread
from exporter.errors import RequestError
from exporter.files import user_path
from exporter.geometry import Geometry
from exporter.manifest import files_digest

if TYPE_CHECKING:
    from exporter.evaluation.coco_file import CocoFile
    from exporter.evaluation.examples import Example, Truth


class CocoCalibration(FolderCalibration):
    """As `FolderCalibration`, of the pictures that the json lists, in its order. Its labels are looked at only where a
    quantization wants to know what is on the pictures."""

    annotations: str = Field(coerce_numbers_to_str=True)

    def identity(self) -> dict[str, Any]:
        """As of a folder, and the json by its digest."""
        return super().identity() | {"annotations": files_digest([user_path(self.annotations)])}

    def truths(self, class_names: Sequence[str], geometry: Geometry) -> "Iterator[Truth] | None":
        """The labels, None where the json has none or names other classes. Raises RequestError for labels that cannot
        be right."""
        from exporter.evaluation.labels import examples

        coco = self._read()
        if not coco.has_labels:
            return None
        pictures, categories = coco.labelled(self._ids)
        used = {categories[label.category] for picture in pictures for label in picture.labels}
        if not used <= set(class_names):
            return None
        labelled = examples(pictures, categories, class_names, coco.given)
        return (_on_input(each, geometry) for each in labelled)

    def _read(self) -> "CocoFile":
        from exporter.evaluation.coco_file import read_coco

        return read_coco("calibration", self.path, self.annotations)

    def _ids(self, ids: Sequence[int]) -> list[int]:
        return spread(ids, self.num_images, self.seed)

    def _chosen(self) -> list[Path]:
        coco = self._read()
        if not coco.images:
            raise RequestError(f"{coco.given}: lists no pictures: give a file that lists some")
        return [coco.picture(identity) for identity in self._ids(list(coco.images))]


def _on_input(example: "Example", geometry: Geometry) -> "Truth":
    """Its objects in pixels of the network's input."""
    placement = geometry.place(*example.read().shape[:2])
    truth, area = example.truth, placement.scale_x * placement.scale_y
    boxes = geometry.to_input(truth.boxes, placement).astype("float64")
    return replace(truth, boxes=boxes, areas=truth.areas * area)
