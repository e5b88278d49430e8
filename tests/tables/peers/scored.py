"""One file in one engine: its mAP, its time in turn with the FP32 artifact's, and how far its scores moved from that's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from exporter.artifact.manifest import ARTIFACT, Manifest, read_manifest
from exporter.benchmark.paired import interleaved, ratio
from exporter.benchmark.subject import example_input
from exporter.common.errors import BuildError
from exporter.common.provenance import cores
from exporter.demo.scenes import CLASS_NAMES, scene
from exporter.evaluation.detector import Detector
from exporter.evaluation.examples import GroundTruth
from exporter.evaluation.matched import SURE, score_shift
from exporter.evaluation.scores import scores
from exporter.postprocessing.detections import AllBoxes, Detections, Read
from exporter.postprocessing.outside import suppressed
from exporter.postprocessing.parameters import NmsParameters
from exporter.runtime.engine import Engine, Session
from exporter.runtime.onnx_runtime import OnnxRuntimeEngine
from tests.tables.rows import Metrics


@dataclass(frozen=True)
class Baseline:
    """The FP32 artifact in a folder, and the first `scenes` synthetic images that all files are scored on."""

    folder: Path
    scenes: int

    @cached_property
    def manifest(self) -> Manifest:
        return read_manifest(self.folder)

    def session(self) -> Session:
        """The artifact in ONNX Runtime."""
        return OnnxRuntimeEngine().session(self.folder / ARTIFACT, cores())

    def found(self, session: Session, *, raw: bool) -> list[Detections]:
        """What a file in an engine finds in each image; raw: see `Raw`."""
        about = self.manifest
        run, read = (Raw(session, about), of_all_boxes(about)) if raw else (session, about.postprocessing.read)
        detector = Detector(run, about.input, about.preprocessing, read=read)
        sides = about.input.nominal_image
        return [each for i in range(self.scenes) for each in detector([scene("evaluation", i, *sides).image])]

    @cached_property
    def detections(self) -> list[Detections]:
        """The artifact's own."""
        return self.found(self.session(), raw=False)


class Raw:
    """A file that takes normalized float32 images and gives all boxes and scores, run as if it took the artifact's bytes."""

    def __init__(self, session: Session, about: Manifest):
        self._session, self._normalization = session, about.preprocessing.normalization
        (self._input,) = session.get_inputs()

    def get_outputs(self) -> Any:
        return self._session.get_outputs()

    def feeds(self, image: np.ndarray) -> dict[str, np.ndarray]:
        assert self._normalization is not None  # the recipe's own
        return {self._input.name: self._normalization.apply(image)}

    def run(self, names: Sequence[str] | None, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        (image,) = feeds.values()
        return self._session.run(names, self.feeds(image))


def of_all_boxes(about: Manifest) -> Read:
    """Reads detections from [B, N, 4] and [B, N, classes], whatever their names, with the artifact's NMS in plain numpy."""

    def boxes(outputs: Mapping[str, np.ndarray], batch: int) -> list[AllBoxes]:
        by_sides = {array.shape[-1]: array for array in outputs.values()}
        return [AllBoxes(by_sides[4][i], by_sides[len(CLASS_NAMES)][i]) for i in range(batch)]

    parameters = {key: value for key, value in about.postprocessing.nms.items() if key != "type"}
    return suppressed(boxes, NmsParameters(**parameters))


def in_engine(engine: Engine, model: Path, baseline: Baseline, rounds: int, *, raw: bool) -> Metrics:
    """`reason` where the engine does not take the file. A raw file's time is without NMS."""
    about, label = baseline.manifest, engine.label(model)
    image = example_input(about.input, about.preprocessing)
    feeds = {about.input.name: image}
    try:
        session = engine.session(model, cores())
        own = Raw(session, about).feeds(image) if raw else feeds
        times = interleaved([session.timed(own), baseline.session().timed(feeds)], rounds)
        found = baseline.found(session, raw=raw)
    except BuildError as error:
        return {"engine": label, "reason": str(error)}
    drawn = [scene("evaluation", i, *about.input.nominal_image) for i in range(baseline.scenes)]
    shift = score_shift(found, baseline.detections)
    return {
        "engine": label,
        "map": scores(found, [GroundTruth.of(each.boxes, each.classes) for each in drawn], len(CLASS_NAMES)).map,
        "ratio": ratio(*times).model_dump(),
        "shift": shift.model_dump() if shift else None,
        "sure": sum(int((each.scores >= SURE).sum()) for each in baseline.detections),
    }
