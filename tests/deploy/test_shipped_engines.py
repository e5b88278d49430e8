"""Artifacts for Frigate, run by the engines in the versions that it ships, each in an environment of its own."""

import subprocess
import venv
from pathlib import Path

import numpy as np
import pytest

from exporter.artifact.manifest import read_manifest
from exporter.cli import main
from exporter.demo.scenes import scene
from exporter.postprocessing.detections import Detections
from exporter.preprocessing.encode import encode
from exporter.proof.tensors import tensors
from tests.deploy.consumers import frigate_yolo_generic, frigate_yolonas

SIZE, SCENES = 160, 12
PROGRAMS = {
    "onnxruntime==1.22.1": """
import sys, numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
name = session.get_inputs()[0].name
run = lambda image: session.run(None, {name: image})
""",
    "openvino==2025.4.*": """
import sys, numpy, openvino
compiled = openvino.Core().compile_model(sys.argv[1], "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
assert len(compiled.inputs) == len(compiled.outputs) == 1
run = lambda image: [compiled([image])[0]]
""",
}
REST = """
images = numpy.load(sys.argv[2])
numpy.savez(sys.argv[3], *[run(image[None])[0] for image in images])
"""
READERS = {
    "yolonas": (["postprocessing/format=flat", "postprocessing.nms.max_predictions_per_image=20"], frigate_yolonas),
    "yolo-generic": (["postprocessing/format=yolo"], frigate_yolo_generic),
}


@pytest.fixture(scope="module", params=PROGRAMS)
def environment(request, tmp_path_factory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "numpy", request.param], check=True)
    return python, PROGRAMS[request.param]


@pytest.fixture(scope="module", params=READERS)
def artifact(request, tmp_path_factory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("artifact") / "out"
    overrides = [*READERS[request.param][0], f"input.size={SIZE}", "proof.num_scenes=0", "proof.num_images=2"]
    assert main(["+recipe=yolo_nas_s", "model.weights=demo", *overrides, f"output_dir={out}"]) == 0
    assert main(["frigate", str(out), "--model-type", request.param]) == 0
    return out, request.param


@pytest.mark.slow
def test_the_reader_gets_the_same_rows(environment, artifact, tmp_path):
    python, program = environment
    folder, model_type = artifact
    manifest, read = read_manifest(folder), READERS[model_type][1]
    given = np.stack([scene("evaluation", i, SIZE, SIZE).image for i in range(SCENES)])
    images = encode(given, manifest.input, manifest.preprocessing)
    np.save(tmp_path / "images.npy", images)
    (tmp_path / "run.py").write_text(program + REST)
    command = [python, tmp_path / "run.py", folder / "model.onnx", tmp_path / "images.npy", tmp_path / "out.npz"]
    subprocess.run(command, check=True)
    found = np.load(tmp_path / "out.npz")
    nothing = lambda outputs, batch: [Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0))] * batch  # noqa: E731
    here = tensors((folder / "model.onnx").read_bytes(), (image[None] for image in images), read=nothing)
    rows = 0
    for i, tensor in enumerate(here):
        assert tensor.outputs is not None
        want, got = read(list(tensor.outputs.values.values())), read([found[f"arr_{i}"]])
        assert got.shape == want.shape and np.allclose(got, want, atol=0.02)
        rows += len(want)
    assert rows > SCENES
