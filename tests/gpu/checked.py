"""One artifact, from the build to its detections, with an execution provider; whichever it is, so that a CPU can try it."""

from pathlib import Path

import numpy as np
import onnx

import exporter
from exporter.artifact.detector import detector_of
from exporter.artifact.manifest import Manifest
from exporter.artifact.verify import verify
from exporter.cli import main
from exporter.common.errors import BuildError, RequestError
from exporter.demo.scenes import scene
from exporter.evaluation.matched import matched
from exporter.report.drawing import write_png
from exporter.runtime.onnx_providers import PROVIDERS, Provider
from exporter.runtime.onnx_runtime import OnnxRuntimeEngine

SIZE = 320
MIN_MATCHED, MIN_IOU = 0.98, 0.99
"""Of the detections, share that the CPU finds too, and their mean IoU: sums are rounded otherwise on a GPU, so boxes at
the threshold come and go. On one H100 all were the same, row for row."""


def why_not(provider: Provider) -> str | None:
    """Why nothing runs with it here, None where it does: ONNX Runtime may hold it and find no device."""
    value, out = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2, 3]) for name in ("x", "y"))
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "g", [value], [out])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=8)
    try:
        OnnxRuntimeEngine(provider).session(model.SerializeToString()).run(None, {"x": np.ones((2, 3), np.float32)})
    except (BuildError, RequestError) as error:
        return str(error)
    return None


def checked(provider: Provider, overrides: list[str], folder: Path) -> Manifest:
    """Builds it, which proves it there; verifies, predicts, and holds what it finds against the same file on the CPU.
    `overrides` name the recipe first."""
    recipe, *others = overrides
    size = [] if any("input.size" in each for each in others) else [f"input.size={SIZE}"]
    given = [f"backend.provider={provider}", *size, *others, "proof.num_images=2", "proof.num_scenes=0"]
    manifest = exporter.build(recipe, [*given, f"output_dir={folder}"])
    if provider != "cpu":
        assert manifest.proof.nodes_by_provider[PROVIDERS[provider].name] > 0
        assert manifest.backend.settings["provider"] == PROVIDERS[provider].name
    assert PROVIDERS[provider].name in "".join(verify(folder)) or provider == "cpu"

    images = [scene("evaluation", i, 200 + 10 * i, 260).image for i in range(18)]
    write_png(folder.parent / "image.png", images[0])
    assert main(["predict", str(folder), str(folder.parent / "image.png"), "--out", str(folder.parent / "out")]) == 0
    found = list(detector_of(folder, manifest)(images))
    metrics = matched(found, list(detector_of(folder, manifest, engine=OnnxRuntimeEngine())(images)))
    assert metrics["boxes"] > 20
    assert metrics["matched"] >= MIN_MATCHED * metrics["boxes"] and metrics["mean_iou"] > MIN_IOU, metrics
    return manifest
