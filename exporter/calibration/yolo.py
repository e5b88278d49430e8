"""Calibration on the images of one split of a data.yaml."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from exporter.calibration import Tell
from exporter.calibration.labelled import LabelledCalibration, ground_truths_of
from exporter.common.files import file_digest, user_path
from exporter.common.geometry import Geometry
from exporter.evaluation.notes import Notes
from exporter.evaluation.yolo_data import Split, YoloData, read_data

if TYPE_CHECKING:
    from exporter.evaluation.examples import GroundTruth


class YoloCalibration(LabelledCalibration):
    """The images that the data.yaml's `split` names, in the order of their paths."""

    moved: ClassVar[Mapping[str, str]] = {"--pictures DATA_YAML": "path"}

    split: Split

    def identity(self) -> dict[str, Any]:
        """As of a folder, and the data.yaml and the images' labels by their digests; what was odd counts too, since
        the manifest has it."""
        from exporter.evaluation.yolo_labels import LabelFiles, check_labels

        images, odd = self._chosen()
        files = [*map(LabelFiles(images).of, images)]
        for file in files:
            if file:
                check_labels(file)
        digests = [file_digest(file) if file else "" for file in files]
        found = hashlib.sha256(" ".join([file_digest(user_path(self.path)), *digests]).encode()).hexdigest()
        return super().identity() | {"labels": found, "odd": dict(odd)}

    def ground_truths(
        self, class_names: Sequence[str], geometry: Geometry, tell: Tell = dict
    ) -> "Iterator[GroundTruth] | None":
        """The labels, None where they name other classes. Raises RequestError for labels that cannot be right."""
        from exporter.evaluation.yolo import labelled_set

        data = self._read()
        return ground_truths_of(labelled_set(data, self._some), class_names, geometry, tell)

    def _read(self) -> YoloData:
        return read_data("calibration", self.path, self.split, Notes(self.strict))

    def _chosen(self) -> tuple[list[Path], Mapping[str, int]]:
        data = self._read()
        images = data.images()
        data.notes.check()
        return self._some(images), data.notes.counts
