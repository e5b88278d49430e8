"""Runs an artifact by what its manifest says, and nothing else: from pictures of any size to boxes in their pixels."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from exporter.errors import BuildError, RequestError
from exporter.manifest import Input, Manifest, Preprocessing
from exporter.messages import in_one_line


@dataclass(frozen=True)
class Detections:
    """Of one picture, best first: boxes [n, 4] float32 xyxy, scores [n] float32, classes [n] int64."""

    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray


def session(model: bytes | Path, options: Any = None) -> Any:
    """An ONNX Runtime session on the CPU, by default with the options of `session_options`. TensorRT's NMS plugin is
    emulated there, see `exporter.graph.emulate_plugin`.

    Raises BuildError where ORT does not take the model."""
    import onnxruntime as ort

    from exporter.graph.half_scales import has_half_scales

    options = options or session_options()
    options.log_severity_level = 4  # what goes wrong is raised, and need not be printed too
    if has_half_scales(model):  # ONNX Runtime 1.32 fuses such pairs into operators that give wrong numbers
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    source = model if isinstance(model, bytes) else str(model)
    if emulation(model):
        import onnx

        from exporter.graph.emulate_plugin import emulated

        loaded = onnx.load_from_string(model) if isinstance(model, bytes) else onnx.load(model)
        source = emulated(loaded).SerializeToString()
    try:
        return ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ORT raises its own classes, which share no base but this one
        raise BuildError(f"ONNX Runtime does not take the model: {' '.join(str(error).split())[:300]}") from error


def session_options() -> Any:
    """ONNX Runtime's own SessionOptions, with as many threads as OMP_NUM_THREADS says where it does: by that launchers
    share out the cores among processes, and ONNX Runtime by itself takes them all."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    share = os.environ.get("OMP_NUM_THREADS", "")
    if share.isdecimal():
        options.intra_op_num_threads = int(share)
    return options


def emulation(model: bytes | Path) -> str:
    """What to add to "ONNX Runtime" where it runs a graph that it does not know all of; "" for most."""
    from exporter.graph.emulate_plugin import has_plugin

    return ", TensorRT's NMS plugin emulated" if has_plugin(model) else ""


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
    """An artifact ready to run; `model` may also be a session of another engine. `size`: the height and width that
    pictures are brought to, for one that takes several (None: its nominal ones). Raises RequestError where it gives no
    finished detections, or does not take that size."""

    def __init__(
        self, model: bytes | Path | Any, input: Input, preprocessing: Preprocessing, size: tuple[int, int] | None = None
    ):
        self._session = session(model) if isinstance(model, bytes | Path) else model
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
    def of(cls, folder: Path, manifest: Manifest, size: tuple[int, int] | None = None) -> "Detector":
        """The artifact in a folder that a build wrote. Raises RequestError also where its outputs are in a format of
        its recipe's own."""
        if manifest.postprocessing.format is not None and not manifest.postprocessing.readable:
            names = ", ".join(output.name for output in manifest.outputs)
            raise RequestError(
                f"{folder}: its outputs ({names}) are in a format of its recipe's own"
                f" (postprocessing/format={manifest.postprocessing.format}), which only its author can read: run it in"
                " your own program, or build it with postprocessing/format=batch"
            )
        from exporter.bounded_session import artifact_session

        return cls(artifact_session(folder, manifest), manifest.input, manifest.preprocessing, size)

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
