"""`exporter engine` with NVIDIA's own compiler, on the CPU: what it makes, writes and says. Running an engine needs a GPU:
that half is held against the API alone, and is unverified."""

import ast
import hashlib
import inspect
import json
import sys
from pathlib import Path

import onnx
import pytest

import exporter
from exporter.artifact.manifest import read_manifest
from exporter.artifact.verify import verify
from exporter.cli import main
from exporter.common.errors import BuildError, RequestError
from exporter.common.progress import Progress
from exporter.deploy.engine import proof
from exporter.deploy.engine.make import make_engine
from exporter.runtime.onnx_runtime import session
from exporter.runtime.tensorrt import library, monitor, network
from exporter.runtime.tensorrt import session as engine_session
from exporter.runtime.tensorrt.library import KINDS, Library, installed
from exporter.runtime.tensorrt.session import EngineSession
from tests.backend.lint.graphs import INT8, PLUGIN, parse
from tests.deploy.manifests import manifest
from tests.model.graphs import saved_detector

API = json.loads(Path(__file__).with_name("tensorrt_api.json").read_text())
FREE = INT8.replace("[1,3,8,8] images", "[batch,3,8,8] images").replace("[1,2,4,4] result", "[batch,2,4,4] result")


@pytest.fixture
def artifact(tmp_path):
    """A folder with a small graph and a manifest that is about YOLO-NAS: nobody looks inside the graph here."""

    def make(text=INT8, **changed):
        content = parse(text).SerializeToString()
        (tmp_path / "model.onnx").write_bytes(content)
        facts = {"file": "model.onnx", "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content), "opset": 18,
                 "ir_version": 8, "operators": {}}  # fmt: skip
        manifest(**{"backend": "tensorrt_rtx"} | changed, artifact=facts).write(tmp_path)
        return tmp_path

    return make


def profiled(folder, *ends):
    """The artifact with this profile of its batch."""
    values = json.loads((folder / "manifest.json").read_text())
    values["backend"]["profile"] = {e: [n, 3, 8, 8] for e, n in zip(("min", "opt", "max"), ends, strict=True)}
    (folder / "manifest.json").write_text(json.dumps(values))
    return folder


def test_an_engine_with_its_section_in_the_manifest(artifact, capsys):
    folder = artifact()
    assert main(["engine", str(folder), "--target", "sm86,SM120"]) == 0
    plan = (folder / "model.engine").read_bytes()
    section = read_manifest(folder).engine
    assert (section.file, section.library, section.bytes) == ("model.engine", "TensorRT-RTX", len(plan))
    assert section.tensorrt == installed("tensorrt_rtx").version
    assert section.sha256 == hashlib.sha256(plan).hexdigest()
    assert (section.targets, section.gpu, section.profile) == (["sm86", "sm120"], None, None)
    assert "so it was not run" in section.proof["why"]
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "model.engine", "model.onnx"]
    assert "sm86, sm120" in capsys.readouterr().out
    (folder / "model.engine").write_bytes(b"another")
    with pytest.raises(BuildError, match=r"sha256 of model\.engine"):
        list(verify(folder))


def test_without_a_target_it_is_for_all_that_the_library_knows(artifact):
    folder = artifact()
    assert main(["engine", str(folder)]) == 0
    assert set(read_manifest(folder).engine.targets) >= {"sm86", "sm89", "sm120"}


def test_the_profile_is_the_manifests(artifact):
    folder = profiled(artifact(FREE, batch="batch"), 1, 8, 16)
    assert main(["engine", str(folder), "--target", "sm89"]) == 0
    assert read_manifest(folder).engine.profile.max == [16, 3, 8, 8]


def test_a_free_shape_without_a_profile_is_what_the_compiler_says(artifact, capsys):
    assert main(["engine", str(artifact(FREE)), "--target", "sm89"]) == 1
    assert "cannot compile it" in capsys.readouterr().err


@pytest.mark.parametrize(("changes", "arguments", "code", "said"), [
    ({}, ["--target", "sm90"], 2, "--target sm90: TensorRT-RTX"),
    ({"text": INT8.replace("int8 zero = {0}", "int8 zero = {3}")}, [], 1, "cannot parse it"),
    ({"text": PLUGIN}, [], 1, "lugin"),
    ({"backend": "onnxruntime"}, [], 2, "backend=onnxruntime: build it with backend=tensorrt or tensorrt_rtx"),
    ({}, ["--commands"], 2, "there are none for backend=tensorrt_rtx"),
])  # fmt: skip
def test_what_cannot_be_is_one_line(changes, arguments, code, said, artifact, capsys):
    folder = artifact(**changes)
    assert main(["engine", str(folder), *arguments]) == code
    err = [line for line in capsys.readouterr().err.splitlines() if line.startswith("exporter:")]
    assert len(err) == 1
    assert said in err[0]
    assert not (folder / "model.engine").exists()
    assert read_manifest(folder).engine is None


def test_a_profile_out_of_order(artifact, capsys):
    assert main(["engine", str(profiled(artifact(FREE, batch="batch"), 9, 8, 16))]) == 2
    assert "backend.profile: min [9, 3, 8, 8], opt [8, 3, 8, 8]" in capsys.readouterr().err


def test_workspace_and_timing_cache(artifact, tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache") / "timing.cache"
    folder = artifact()
    assert main(["engine", str(folder), "--workspace", "64", "--timing-cache", str(cache), "--target", "sm89"]) == 0
    assert cache.stat().st_size > 0
    assert main(["engine", str(folder), "--timing-cache", str(cache), "--target", "sm89"]) == 0


def test_progress_is_told(artifact, capsys):
    main(["engine", str(artifact()), "--target", "sm89"])
    assert "Building engine" in capsys.readouterr().err


@pytest.mark.parametrize(("backend", "package", "said"), [
    ("tensorrt_rtx", "tensorrt_rtx_bindings", "pip install exporter[tensorrt-rtx]"),
    ("tensorrt", "tensorrt", "pip install exporter[tensorrt] on the machine with the GPU, or run one of these"),
])  # fmt: skip
def test_without_the_package(backend, package, said, artifact, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, package, None)
    assert main(["engine", str(artifact(FREE, batch="batch", backend=backend))]) == 1
    captured = capsys.readouterr()
    assert said in captured.err
    shapes = " ".join(f"--{end}Shapes=images:{n}x3x640x640" for end, n in (("min", 1), ("opt", 8), ("max", 16)))
    for flags in ("--int8 ", "--stronglyTyped ", "") if backend == "tensorrt" else ():
        assert f"trtexec --onnx=model.onnx --saveEngine=model.engine {flags}{shapes}\n" in captured.out


@pytest.mark.parametrize("version", ["8.6.1", "9.3.0", "12.0.0", "unknown"])
def test_a_version_outside_the_known_range(version, monkeypatch):
    module = type(sys)("tensorrt")
    module.__version__ = version
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    with pytest.raises(RequestError, match=f"tensorrt {version}: known are 10 and 11"):
        installed("tensorrt")


def test_the_commands_alone(artifact, capsys):
    assert main(["engine", str(artifact(backend="tensorrt")), "--commands"]) == 0
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if line.startswith("#")] == [
        "# TensorRT 8.6",
        "# TensorRT 10",
        "# TensorRT 11",
    ]


def test_a_version_that_cannot_take_the_artifact(artifact, capsys):
    folder = artifact(backend="tensorrt")
    values = json.loads((folder / "manifest.json").read_text())
    del values["backend"]["build_flags"]["8.6"]
    (folder / "manifest.json").write_text(json.dumps(values))
    assert main(["engine", str(folder), "--commands"]) == 0
    assert "# TensorRT 8.6\n# not possible" in capsys.readouterr().out


def test_a_file_that_was_changed(artifact, capsys):
    folder = artifact()
    (folder / "model.onnx").write_bytes(b"other")
    assert main(["engine", str(folder)]) == 2
    assert "not what its manifest says" in capsys.readouterr().err


# The full TensorRT, whose API is that of TensorRT-RTX where both are used here.


def full() -> Library:
    """The real bindings, taken for those of the full product but for its plugins, which need its own library."""
    kind = KINDS["tensorrt"]
    return Library(type(kind)(kind.title, kind.module, kind.extra, kind.versions, plugins=False, needs_gpu=True),
                   installed("tensorrt_rtx").module)  # fmt: skip


def test_the_full_product_takes_the_same_way_without_targets(artifact):
    folder = artifact(backend="tensorrt")
    made = make_engine(full(), folder, read_manifest(folder), [], None, None, Progress(), print)
    assert (made.library, made.targets, made.bytes) == ("TensorRT", [], (folder / "model.engine").stat().st_size)
    with pytest.raises(RequestError, match=r"--target sm86: TensorRT .* only for the GPU of its own machine"):
        full().chosen(["sm86"])


CALLED = {
    "Builder": ("create_network", "create_builder_config", "create_optimization_profile", "build_serialized_network"),
    "OnnxParser": ("parse", "num_errors", "get_error"),
    "ParserError": ("desc", "node_name"),
    "IBuilderConfig": ("add_optimization_profile", "set_memory_pool_limit", "create_timing_cache", "set_timing_cache",
                       "progress_monitor"),
    "ITimingCache": ("serialize",),
    "IOptimizationProfile": ("set_shape",),
    "Runtime": ("deserialize_cuda_engine",),
    "ICudaEngine": ("create_execution_context", "get_tensor_name", "num_io_tensors", "get_tensor_mode",
                    "get_tensor_dtype"),
    "IExecutionContext": ("set_input_shape", "set_tensor_address", "set_output_allocator", "execute_async_v3"),
    "IOutputAllocator": ("reallocate_output", "reallocate_output_async", "notify_shape"),
    "IProgressMonitor": ("phase_start", "step_complete", "phase_finish"),
}  # fmt: skip
"""Of the API, all that is called or overridden here."""
OURS = {"set_compute_capability", "num_compute_capabilities"}
"""Of TensorRT-RTX alone."""


@pytest.mark.parametrize("version", ["10.0.1", "11.4.0", "rtx"])
def test_every_version_offers_what_is_called(version):
    real = installed("tensorrt_rtx").module
    for name, members in CALLED.items():
        offered = dir(getattr(real, name)) if version == "rtx" else API[version][name]
        overridden = {"reallocate_output_async", "notify_shape", "reallocate_output"}  # no default to be seen in dir()
        missing = set(members) - set(offered) - (overridden if version == "rtx" else set())
        assert not missing, f"{name} of {version}"


def test_nothing_else_is_called():
    """What the code looks up on NVIDIA's objects is in the table: an attribute that it has, and that no object of ours
    or of Python's could be asked for."""
    used = set()
    for module in (library, monitor, network, engine_session):
        used |= {
            node.attr for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.Attribute)
        }
    real = installed("tensorrt_rtx").module
    known = {name for each in CALLED for name in dir(getattr(real, each)) if not name.startswith("_")}
    listed = {name for names in CALLED.values() for name in names} | OURS
    assert used & known - listed <= {
        "name",
        "num_layers",
        "min",
        "max",
        "builder",
        "engine",
        "network",
        "version",
        "logger",
        "error",
    }


# The engine run: without a GPU, what can be said is that it refuses in one line, and how it is judged.


def test_a_session_without_a_gpu_is_one_line(artifact):
    folder = artifact()
    main(["engine", str(folder), "--target", "sm86"])
    if __import__("torch").cuda.is_available():
        pytest.skip("there is a GPU")
    for plan, why in (((folder / "model.engine").read_bytes(), "CUDA"), (b"no engine at all" * 10, "CUDA|magic")):
        with pytest.raises(BuildError, match=f"cannot load the engine here: .*there is none: .*({why})"):
            EngineSession(installed("tensorrt_rtx").module, plan)


def test_verify_says_what_an_engine_needs_and_that_another_version_is_here(artifact):
    folder = artifact()
    main(["engine", str(folder), "--target", "sm86,sm89"])
    version = installed("tensorrt_rtx").version

    def line():
        checked = verify(folder)
        return next(each for each in checked if each.startswith("model.engine"))

    assert line() == f"model.engine has the manifest's sha256; only TensorRT-RTX {version} can run it, on sm86, sm89"
    values = json.loads((folder / "manifest.json").read_text())
    values["engine"]["tensorrt"] = "1.6.0.1"
    (folder / "manifest.json").write_text(json.dumps(values))
    assert line().endswith(
        f"only TensorRT-RTX 1.6.0.1 can run it, on sm86, sm89; here is {version}: exporter engine builds it again"
    )


@pytest.fixture
def judged(monkeypatch):
    """`prove_engine` of an ONNX file in the engine's place, which ONNX Runtime runs."""
    monkeypatch.setattr(proof, "IMAGES", 3)
    monkeypatch.setattr(proof, "EngineSession", lambda trt, plan, device: session(plan))
    return lambda folder, plan: proof.prove_engine(sys, plan, folder, read_manifest(folder), "cpu")


@pytest.fixture(scope="module")
def detecting(tmp_path_factory):
    """An artifact with detections to judge: a tiny network."""
    folder = tmp_path_factory.mktemp("detecting")
    exporter.build(overrides=[*saved_detector(folder), "proof.num_images=2", f"output_dir={folder / 'artifact'}"])
    return folder / "artifact"


def test_the_proof_holds_the_engine_against_the_artifact(detecting, judged):
    metrics = judged(detecting, (detecting / "model.onnx").read_bytes())
    assert metrics["boxes"] == metrics["matched"] > 0
    assert metrics["mean_iou"] == pytest.approx(1, abs=1e-4)


def test_the_proof_refuses_another_network(detecting, judged):
    model = onnx.load(detecting / "model.onnx")
    (weights,) = (tensor for tensor in model.graph.initializer if list(tensor.dims) == [7, 8, 1, 1])  # of its head
    weights.CopyFrom(onnx.numpy_helper.from_array(-onnx.numpy_helper.to_array(weights), weights.name))
    with pytest.raises(BuildError, match="the engine is not the artifact"):
        judged(detecting, model.SerializeToString())
