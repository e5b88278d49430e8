"""Calibration on the images that a COCO json lists."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from exporter.calibration import Tell
from exporter.calibration.labelled import LabelledCalibration, ground_truths_of
from exporter.common.errors import RequestError
from exporter.common.files import files_digest, user_path
from exporter.common.geometry import Geometry
from exporter.evaluation.notes import Notes

if TYPE_CHECKING:
    from exporter.evaluation.coco_file import CocoFile
    from exporter.evaluation.examples import GroundTruth


class CocoCalibration(LabelledCalibration):
    """The images that the json lists, in its order."""

    moved: ClassVar[Mapping[str, str]] = {**LabelledCalibration.moved, "--annotations JSON": "annotations"}

    annotations: str = Field(coerce_numbers_to_str=True)

    def identity(self) -> dict[str, Any]:
        """As of a folder, and the json by its digest."""
        return super().identity() | {"annotations": files_digest([user_path(self.annotations)])}

    def ground_truths(
        self, class_names: Sequence[str], geometry: Geometry, tell: Tell = dict
    ) -> "Iterator[GroundTruth] | None":
        """The labels, None where the json has none or names other classes. Raises RequestError for labels that cannot
        be right."""
        coco = self._read()
        if not coco.has_labels:
            return None
        return ground_truths_of(coco.labelled(self._some), class_names, geometry, tell)

    def _read(self) -> "CocoFile":
        from exporter.evaluation.coco_file import read_coco

        return read_coco("calibration", self.path, self.annotations, Notes(self.strict))

    def _chosen(self) -> tuple[list[Path], Mapping[str, int]]:
        coco, files = self._read(), []
        if not coco.images:
            coco.notes.check()
            raise RequestError(f"{coco.given}: lists no images: give a file that lists some")
        for identity in self._some(list(coco.images)):
            with coco.notes.collecting():
                files.append(coco.image(identity))
        coco.notes.check()
        return files, coco.notes.counts
