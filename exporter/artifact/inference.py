"""Runs an artifact by what its manifest says, and nothing else: from pictures of any size to boxes in their pixels."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from exporter.artifact.manifest import Input, Manifest, Preprocessing
from exporter.common.errors import BuildError, RequestError
from exporter.common.messages import in_one_line

if TYPE_CHECKING:
    from exporter.runtime.engine import Engine, Runnable


@dataclass(frozen=True)
class Detections:
    """Of one picture, best first: boxes [n, 4] float32 xyxy, scores [n] float32, classes [n] int64."""

    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray


def encode(pictures: np.ndarray, input: Input, preprocessing: Preprocessing) -> np.ndarray:
    """uint8 [B, H, W, 3] RGB of the input's size → what the artifact takes: its dtype, layout, order and range. Raises
    RequestError for a size that it does not take."""
    input.check_picture(*pictures.shape[1:3])
    nchw = pictures.transpose(0, 3, 1, 2)
    if not preprocessing.inside_graph:
        if preprocessing.normalization is None:
            raise RequestError("the manifest has no normalization, and the artifact none inside: it takes no pictures")
        return np.ascontiguousarray(preprocessing.normalization.apply(nchw))
    if input.channels == "bgr":
        nchw = nchw[:, ::-1]
    array = nchw if input.layout == "nchw" else nchw.transpose(0, 2, 3, 1)
    if input.layout == "hwc":
        (array,) = array
    return np.ascontiguousarray(array.astype(input.dtype))


def rows(outputs: dict[str, np.ndarray], batch: int) -> list[Detections]:
    """The artifact's outputs, in either format, for each picture of the batch."""
    if "flat_predictions" in outputs:
        flat = outputs["flat_predictions"]
        own = [flat[flat[:, 0] == i] for i in range(batch)]
        return [Detections(r[:, 1:5], r[:, 5], r[:, 6].astype(np.int64)) for r in own]
    found = []
    for i in range(batch):
        n = int(outputs["num_predictions"][i, 0])
        if not 0 <= n <= outputs["pred_scores"].shape[1]:
            raise ValueError(f"num_predictions is {n}")
        boxes, scores, classes = (outputs[f"pred_{k}"][i, :n] for k in ("boxes", "scores", "classes"))
        found.append(Detections(boxes, scores, classes.astype(np.int64)))
    return found


class Detector:
    """An artifact ready to run in an engine. `size`: the height and width that pictures are brought to, for one that
    takes several (None: its nominal ones). Raises RequestError where it gives no finished detections, or does not take
    that size."""

    def __init__(
        self, session: "Runnable", input: Input, preprocessing: Preprocessing, size: tuple[int, int] | None = None
    ):
        self._session = session
        self._input, self._preprocessing = input, preprocessing
        self._outputs = [output.name for output in self._session.get_outputs()]
        if "pred_classes" not in self._outputs and "flat_predictions" not in self._outputs:
            raise RequestError("the artifact has no NMS inside (postprocessing/nms=none), so it gives no detections")
        if preprocessing.geometry is None:
            raise RequestError("the manifest has no geometry: how a picture becomes the input is not known")
        self._geometry = preprocessing.geometry
        if size is not None:
            if preprocessing.geometry_inside_graph:
                raise RequestError("the artifact takes pictures of any size and resizes them inside: give no size")
            input.check_picture(*size)
            self._geometry = self._geometry.at(*size)

    @classmethod
    def of(
        cls, folder: Path, manifest: Manifest, size: tuple[int, int] | None = None, engine: "Engine | None" = None
    ) -> "Detector":
        """The artifact in a folder that a build wrote, in the engine that it is for, or in this one. Raises
        RequestError also where its outputs are in a format of its recipe's own."""
        if manifest.postprocessing.format is not None and not manifest.postprocessing.readable:
            names = ", ".join(output.name for output in manifest.outputs)
            raise RequestError(
                f"{folder}: its outputs ({names}) are in a format of its recipe's own"
                f" (postprocessing/format={manifest.postprocessing.format}), which only its author can read: run it in"
                " your own program, or build it with postprocessing/format=batch"
            )
        from exporter.artifact.bounded_session import artifact_session

        return cls(artifact_session(folder, manifest, engine), manifest.input, manifest.preprocessing, size)

    @property
    def batch(self) -> int:
        """How many pictures one run takes; 1 where any number goes."""
        fixed = self._input.shape[0]
        return fixed if isinstance(fixed, int) else 1  # also of one frame, whose first dimension is its height

    def __call__(self, pictures: Sequence[np.ndarray]) -> Iterator[Detections]:
        """uint8 [h, w, 3] RGB pictures of any sizes → detections with boxes in each picture's own pixels, clipped."""
        step = self.batch
        for start in range(0, len(pictures), step):
            group = list(pictures[start : start + step])
            filled = group + [group[-1]] * (step - len(group))  # a fixed batch is filled up; the extra rows are dropped
            inside = self._preprocessing.geometry_inside_graph
            fitted = filled if inside else [self._geometry.apply(picture) for picture in filled]
            batch = encode(np.stack(fitted), self._input, self._preprocessing)
            outputs = self._session.run(None, {self._input.name: batch})
            try:
                found = rows(dict(zip(self._outputs, outputs, strict=True)), len(filled))
            except (LookupError, ValueError, TypeError) as error:
                raise BuildError(f"what the artifact gives is not in its format: {in_one_line(error)}") from error
            for picture, detections in zip(group, found, strict=False):
                if not (np.isfinite(detections.boxes).all() and np.isfinite(detections.scores).all()):
                    raise BuildError("the artifact gives boxes or scores that are no numbers: verify it")
                yield detections if inside else self._in_picture(detections, *picture.shape[:2])

    def _in_picture(self, found: Detections, height: int, width: int) -> Detections:
        """Detections in pixels of the input → in pixels of a picture of height × width, clipped to it."""
        boxes = self._geometry.to_picture(found.boxes, self._geometry.place(height, width), height, width)
        return Detections(boxes, found.scores, found.classes)
