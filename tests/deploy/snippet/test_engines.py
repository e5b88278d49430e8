"""`exporter snippet` for artifacts that run on a GPU: what can be said without one. Programs for ONNX Runtime are run on its
CPU device in the GPU's place; that of TensorRT's engine up to the engine, which no machine here can load."""

import ast
import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorrt_rtx_bindings as trt
import torch

from exporter.artifact.detector import detector_of
from exporter.artifact.manifest import read_manifest
from exporter.cli import main
from exporter.common.errors import RequestError
from exporter.demo.scenes import scene
from exporter.deploy.snippet.write import snippet
from tests.backend.lint.graphs import INT8
from tests.deploy.engine.test_engine import artifact  # noqa: F401 - a fixture

CUDA = {"provider": "CUDAExecutionProvider", "use_tf32": "0", "prefer_nhwc": "1"}
GRAPH = {**CUDA, "enable_cuda_graph": "1"}
PLUGIN = {"provider": "NvTensorRTRTXExecutionProvider"}
IMAGES = [scene("evaluation", i, 90, 130).image for i in range(4)]


@pytest.fixture
def told(int8_artifact, tmp_path):
    """A function that gives the folder of the artifact, its manifest's backend with these settings."""

    def told(settings):
        folder = tmp_path / "artifact"
        shutil.copytree(int8_artifact, folder)
        values = json.loads((folder / "manifest.json").read_text())
        values["backend"]["settings"] = settings
        (folder / "manifest.json").write_text(json.dumps(values))
        return folder

    return told


def run(program: str, folder: Path) -> list:
    """What this program finds on the images."""
    file = folder / "program.py"
    file.write_text(program, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("program", file)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made.detect(IMAGES)


def predicted(folder: Path) -> list:
    found = detector_of(folder, read_manifest(folder))(IMAGES)
    return [each.scores.tolist() for each in found]


def test_a_provider_that_does_not_start_is_not_replaced_by_the_cpu(told):
    folder = told(CUDA)
    program = snippet(folder, "python")
    assert 'providers=[("CUDAExecutionProvider", {"use_tf32": "0", "prefer_nhwc": "1"})]' in program
    (folder / "program.py").write_text(program)
    done = subprocess.run([sys.executable, folder / "program.py"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == "CUDAExecutionProvider does not start here"


def test_a_captured_graph_gives_each_image_its_own_detections(told, int8_artifact):
    program = snippet(told(GRAPH), "python")
    assert program.count('"cuda", 0)') == 2
    here = program.replace('"cuda", 0)', '"cpu", 0)').replace("CUDAExecutionProvider", "CPUExecutionProvider")
    here = here.replace(str({key: value for key, value in GRAPH.items() if key != "provider"}).replace("'", '"'), "{}")
    found = run(here, int8_artifact.parent)
    assert [[score for _, score, _ in rows] for rows in found] == predicted(int8_artifact)
    assert sum(map(len, found)) > 4


def test_a_plugin_is_registered(told, int8_artifact, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime_ep_nv_tensorrt_rtx", SimpleNamespace(get_library_path=lambda: "none"))
    monkeypatch.setattr("onnxruntime.register_execution_provider_library", lambda name, path: None)
    program = snippet(told(PLUGIN), "python")
    assert "\nimport onnxruntime_ep_nv_tensorrt_rtx\n" in program
    with pytest.raises(SystemExit, match="NvTensorRTRTXExecutionProvider finds no GPU here"):
        run(program, int8_artifact.parent)
    found = run(program.replace("NvTensorRTRTXExecutionProvider", "CPUExecutionProvider"), int8_artifact.parent)
    assert [[score for _, score, _ in rows] for rows in found] == predicted(int8_artifact)


@pytest.mark.parametrize(("settings", "holds"), [
    (CUDA, ["CreateCUDAProviderOptions", 'keys = {"use_tf32", "prefer_nhwc"}, values = {"0", "1"}', "AppendExecutionProvider_CUDA_V2"]),
    ({"provider": "TensorrtExecutionProvider"}, ["UpdateTensorRTProviderOptions", "AppendExecutionProvider_TensorRT_V2"]),
    ({"provider": "OpenVINOExecutionProvider"}, ["AppendExecutionProvider_OpenVINO_V2({})"]),
    (PLUGIN, ["RegisterExecutionProviderLibrary", "GetEpDevices", "AppendExecutionProvider_V2(env, devices"]),
    ({}, ["    Ort::SessionOptions options;\n    Ort::Session session(env, MODEL, options);"]),
])  # fmt: skip
def test_the_program_in_cpp_asks_for_the_provider(told, settings, holds):
    """Their names are those of ONNX Runtime's C++ API, which is not installed here: not compiled."""
    program = snippet(told(settings), "cpp")
    for words in holds:
        assert words in program
    assert program.count("{") == program.count("}") and program.count("Ort::SessionOptions options;") == 1


def test_a_captured_graph_is_a_program_in_python(told):
    with pytest.raises(RequestError, match="is captured in a CUDA graph, whose program is in Python only"):
        snippet(told(GRAPH), "cpp")


# NVIDIA's engine beside the artifact

USED = {
    "trt": trt, "logger": trt.ILogger, "runtime": trt.Runtime, "engine": trt.ICudaEngine, "context": trt.IExecutionContext,
    "torch": torch,
}  # fmt: skip
"""By the program's name for it, what it is; torch's CPU build has a CUDA stream without its `cuda_stream`."""


@pytest.fixture
def with_engine(artifact):  # noqa: F811
    folder = artifact()
    assert main(["engine", str(folder), "--target", "sm86,sm89"]) == 0
    return folder


def test_the_program_of_an_engine_calls_what_the_real_bindings_have(with_engine):
    tree = ast.parse(snippet(with_engine, "python"))
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert modules == {"re", "sys", "numpy", "torch", "tensorrt_rtx_bindings"}
    called = {(node.value.id, node.attr) for node in ast.walk(tree)
              if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in USED}  # fmt: skip
    for owner, name in called:
        assert hasattr(USED[owner], name), f"{owner}.{name}"
    assert {name for owner, name in called if owner in ("runtime", "engine", "context")} == {
        "deserialize_cuda_engine", "create_execution_context", "set_input_shape", "set_tensor_address",
        "get_tensor_shape", "execute_async_v3",
    }  # fmt: skip


def test_it_says_what_the_engine_is_for_where_it_cannot_be_loaded(with_engine, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    (tmp_path / "detect.py").write_text(snippet(with_engine, "python"), encoding="utf-8")
    done = subprocess.run([sys.executable, tmp_path / "detect.py"], capture_output=True, text=True, check=False)
    wanted = f"{with_engine / 'model.engine'}: cannot be loaded here: it is for TensorRT-RTX {trt.__version__} and sm86, sm89"
    assert (done.returncode, done.stderr.strip().splitlines()[-1]) == (1, wanted)


def test_its_outputs_have_the_manifests_types(with_engine):
    program = snippet(with_engine, "python")
    (line,) = (line for line in program.splitlines() if line.startswith("TYPES = "))
    types = ast.literal_eval(line.removeprefix("TYPES = "))
    assert types == {output.name: output.dtype for output in read_manifest(with_engine).outputs}
    assert all(torch.empty(0, dtype=getattr(torch, kind)).numpy().dtype == np.dtype(kind) for kind in types.values())


def test_what_no_program_is_written_for(with_engine, artifact):  # noqa: F811
    with pytest.raises(RequestError, match="has an engine of its own, whose program is in Python only"):
        snippet(with_engine, "cpp")
    folder = artifact(INT8, format="flat")
    assert main(["engine", str(folder), "--target", "sm86"]) == 0
    with pytest.raises(RequestError, match=r"as many rows as there are detections, .*take|format=batch"):
        snippet(folder, "python")
