"""Artifacts for other programs, run by the engines in the versions that these ship, each in an environment of its own.

What an engine gives is held against the version of the same engine that is installed here: row by row in float32; in
INT8, where another version may round a sum the other way, detection by detection.
"""

import subprocess
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from exporter.artifact.manifest import Manifest, read_manifest
from exporter.backend.engine import engine_of
from exporter.cli import main
from exporter.demo.scenes import scene
from exporter.postprocessing.reference import detections, iou
from exporter.preprocessing.encode import encode
from tests.deploy import consumers

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_store")]
SIZE, SCENES = 160, 12
REST = """
images = numpy.load(sys.argv[2])
found = [run(image[None]) for image in images]
numpy.savez(sys.argv[3], **{f"{i} {j}": value for i, outputs in enumerate(found) for j, value in enumerate(outputs)})
"""


@dataclass(frozen=True)
class Shipped:
    """packages: what pip is asked for; backend: the group that builds for it; program: what runs a file in it."""

    packages: tuple[str, ...]
    backend: str
    program: str


ONNX_RUNTIME = """
import sys, numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
name = session.get_inputs()[0].name
run = lambda image: session.run(None, {name: image})
"""
OPENVINO = """
import sys, numpy, openvino
compiled = openvino.Core().compile_model(sys.argv[1], "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
assert len(compiled.inputs) == 1
run = lambda image: list(compiled([image]).values())
"""
# Frigate's two, and the oldest that the manifest names
ENGINES = {
    "onnxruntime 1.22": Shipped(("onnxruntime==1.22.1",), "onnxruntime", ONNX_RUNTIME),
    "openvino 2025.4": Shipped(("openvino==2025.4.*",), "openvino", OPENVINO),
    "onnxruntime 1.17": Shipped(("onnxruntime==1.17.*", "numpy<2"), "onnxruntime", ONNX_RUNTIME),
}

Read = Callable[[list[np.ndarray], Manifest], np.ndarray]


def _deepstream(outputs: list[np.ndarray], manifest: Manifest) -> np.ndarray:
    outside = manifest.postprocessing.outside
    mode = 2 if outside else 4
    return consumers.deepstream(
        outputs[0][0], SIZE, SIZE, np.full(8, 0.25), mode, outside.nms_threshold if outside else 1
    )


def _split(outputs: list[np.ndarray], manifest: Manifest) -> np.ndarray:
    assert manifest.postprocessing.outside is not None
    return detections(outputs[0][0], outputs[1][0], manifest.postprocessing.outside)


READERS: dict[str, tuple[list[str], Read]] = {
    "yolonas": (["postprocessing/format=flat", "postprocessing.nms.max_predictions_per_image=20", "preprocessing.resize=stretch"],
                lambda outputs, manifest: consumers.frigate_yolonas(outputs)),
    "yolo": (["postprocessing/format=yolo", "preprocessing.resize=stretch"],
             lambda outputs, manifest: consumers.frigate_yolo_generic(outputs)),
    "deepstream 2": (["postprocessing/format=deepstream", "input.dtype=float32"], _deepstream),
    "deepstream 4": (["postprocessing/format=deepstream", "postprocessing/nms=onnx", "input.dtype=float32"], _deepstream),
    "split": (["postprocessing/format=split", "preprocessing=none"], _split),
}  # fmt: skip
PRECISIONS = {"FP32": [], "INT8": ["quantization=int8", "calibration.num_images=8"]}


@pytest.fixture(scope="module", params=ENGINES)
def environment(request, tmp_path_factory) -> tuple[Path, Shipped]:
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    python, shipped = folder / "bin" / "python", ENGINES[request.param]
    subprocess.run([python, "-m", "pip", "install", "-q", "numpy", *shipped.packages], check=True)
    return python, shipped


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("reader", READERS)
def test_the_reader_gets_the_same_rows(environment, reader, precision, tmp_path):
    python, shipped = environment
    (overrides, read), folder = READERS[reader], tmp_path / "artifact"
    overrides = [*overrides, *PRECISIONS[precision], f"backend={shipped.backend}", f"input.size={SIZE}"]
    assert (
        main(
            [
                "model=yolo_nas_s",
                "model.weights=demo",
                *overrides,
                "proof.num_scenes=0",
                "proof.num_images=2",
                f"output_dir={folder}",
            ]
        )
        == 0
    )
    manifest = read_manifest(folder)
    given = np.stack([scene("evaluation", i, SIZE, SIZE).image for i in range(SCENES)])
    images = encode(given, manifest.input, manifest.preprocessing)
    np.save(tmp_path / "images.npy", images)
    (tmp_path / "run.py").write_text(shipped.program + REST)
    command = [python, tmp_path / "run.py", folder / "model.onnx", tmp_path / "images.npy", tmp_path / "out.npz"]
    subprocess.run(command, check=True)
    found = np.load(tmp_path / "out.npz")
    names = [output.name for output in manifest.outputs]
    session = engine_of(manifest.backend).session(folder / "model.onnx")
    rows = missing = 0
    for i, image in enumerate(images):
        want = read(session.run(names, {manifest.input.name: image[None]}), manifest)
        got = read([found[f"{i} {j}"] for j in range(len(names))], manifest)
        if precision == "FP32":
            assert got.shape == want.shape and np.allclose(got, want, atol=0.02)
        rows, missing = rows + len(want), missing + unmatched(want, got) + unmatched(got, want)
    print(f"{shipped.packages[0]} {reader} {precision}: {rows} rows, {missing} only in one")
    assert rows > SCENES and missing <= 0.02 * rows


def unmatched(rows: np.ndarray, others: np.ndarray) -> int:
    """How many rows have no other of their class that overlaps them by 0.9 and scores within 0.05."""
    if not len(rows):
        return 0
    same = (rows[:, None, 5] == others[None, :, 5]) & (np.abs(rows[:, None, 4] - others[None, :, 4]) < 0.05)
    return int((~(same & (iou(rows[:, :4], others[:, :4]) > 0.9)).any(axis=1)).sum())
