"""Is the engine the artifact? Both run on the same synthetic images; the artifact in ONNX Runtime, where it
was proved."""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from exporter.artifact.detector import detector_of
from exporter.artifact.manifest import Manifest
from exporter.benchmark.subject import example_input
from exporter.common.errors import BuildError
from exporter.demo.scenes import scene
from exporter.evaluation.detector import Detector
from exporter.evaluation.matched import matched
from exporter.runtime.onnx_runtime import emulation, session
from exporter.runtime.tensorrt.session import EngineSession

IMAGES = 16
MIN_MATCHED, MIN_IOU, MAX_SCORE_ERROR = 0.9, 0.9, 0.1
"""Share of the boxes that match, their mean IoU, and, without NMS, the largest difference of a score. INT8 and FP16
kernels round otherwise than a CPU: boxes near the threshold come and go."""


def prove_engine(trt: ModuleType, plan: bytes, folder: Path, manifest: Manifest, device: str) -> dict[str, Any]:
    """Metrics on how near the engine's outputs are to the artifact's. Raises BuildError where they are not the same
    detections."""
    engine = EngineSession(trt, plan, device)
    if not manifest.postprocessing.readable:
        return _tensors(engine, folder, manifest)
    height, width = manifest.input.nominal_image
    images = [scene("proof", i, height, width).image for i in range(IMAGES)]
    wanted = list(detector_of(folder, manifest)(images))
    read = manifest.postprocessing.read
    found = list(Detector(engine, manifest.input, manifest.preprocessing, read=read)(images))
    metrics = {"pictures": IMAGES, "reference": _reference(folder, manifest), **matched(found, wanted)}
    boxes, pairs = metrics["boxes"], metrics["matched"]
    if boxes and (pairs < MIN_MATCHED * boxes or metrics["mean_iou"] < MIN_IOU):
        raise BuildError(
            f"the engine is not the artifact: {pairs} of {boxes} boxes match, mean IoU {metrics['mean_iou']}; allowed:"
            f" {MIN_MATCHED:.0%} and {MIN_IOU}; no engine was written"
        )
    return metrics


def _tensors(engine: EngineSession, folder: Path, manifest: Manifest) -> dict[str, Any]:
    """Without detections that can be read: the largest difference of each output."""
    feeds = {manifest.input.name: example_input(manifest.input, manifest.preprocessing)}
    reference = session(folder / manifest.artifact.file)
    wanted = dict(zip((o.name for o in reference.get_outputs()), reference.run(None, feeds), strict=True))
    found = dict(zip((o.name for o in engine.get_outputs()), engine.run(None, feeds), strict=True))
    errors = {name: float(np.abs(found[name].astype(np.float64) - wanted[name]).max()) for name in wanted}
    if errors.get("pred_scores", 0) > MAX_SCORE_ERROR:
        raise BuildError(
            f"the engine is not the artifact: scores differ by up to {errors['pred_scores']:.3g}, allowed"
            f" {MAX_SCORE_ERROR}; no engine was written"
        )
    return {"pictures": 1, "reference": _reference(folder, manifest), "max_errors": errors}


def _reference(folder: Path, manifest: Manifest) -> str:
    return f"the artifact in ONNX Runtime on CPU{emulation(folder / manifest.artifact.file)}"
