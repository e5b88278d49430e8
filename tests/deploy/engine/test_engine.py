"""`exporter engine` against a stand-in of TensorRT's Python package (see `standin.py`): unverified on hardware."""

import hashlib
import json
import sys

import numpy as np
import onnx
import pytest

from exporter.artifact.manifest import read_manifest
from exporter.artifact.verify import verify
from exporter.cli import main
from exporter.common.errors import BuildError
from exporter.deploy.engine.proof import prove_engine
from exporter.deploy.engine.session import EngineSession
from exporter.runtime.onnx_runtime import session
from tests.backend.lint.graphs import INT8, PLUGIN, parse
from tests.deploy.engine.standin import API, MAGIC, StandIn
from tests.deploy.manifests import manifest


@pytest.fixture
def artifact(tmp_path):
    """A folder with a small graph and a manifest that is about YOLO-NAS: nobody looks inside the graph here."""

    def make(**changed):
        content = parse(INT8).SerializeToString()
        (tmp_path / "model.onnx").write_bytes(content)
        facts = {"file": "model.onnx", "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content), "opset": 18,
                 "ir_version": 8, "operators": {}}  # fmt: skip
        manifest(**changed, artifact=facts).write(tmp_path)
        return tmp_path

    return make


@pytest.fixture(params=["10.0.1", "11.4.0"])
def trt(request, monkeypatch):
    module = StandIn(request.param)
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    return module


def called(trt, name: str) -> list:
    return [arguments for call, arguments in trt.calls if call == name]


def test_an_engine_with_its_section_in_the_manifest(artifact, trt, capsys):
    folder = artifact()
    assert main(["engine", str(folder)]) == 0
    plan = (folder / "model.engine").read_bytes()
    assert plan == MAGIC + (folder / "model.onnx").read_bytes()
    section = read_manifest(folder).engine
    assert (section.file, section.tensorrt, section.bytes) == ("model.engine", trt.__version__, len(plan))
    assert section.sha256 == hashlib.sha256(plan).hexdigest()
    assert section.gpu is None  # no GPU in this test
    assert "torch sees no GPU" in section.proof["why"]
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "model.engine", "model.onnx"]
    assert "model.engine" in capsys.readouterr().out


def test_strong_typing_is_asked_for_where_it_is_not_the_rule(artifact, trt):
    main(["engine", str(artifact())])
    typed = 1 << trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED
    assert called(trt, "Builder.create_network") == [(typed if trt.__version__.startswith("10") else 0,)]
    assert called(trt, "init_libnvinfer_plugins") == [("",)]  # EfficientNMS_TRT is one of them


def test_the_profile_is_the_manifests(artifact, trt):
    main(["engine", str(artifact(batch="batch"))])
    shapes = [(n, 3, 640, 640) for n in (1, 8, 16)]
    assert called(trt, "IOptimizationProfile.set_shape") == [("images", *shapes)]
    assert called(trt, "IBuilderConfig.add_optimization_profile") == [()]


def test_a_fixed_shape_has_no_profile(artifact, trt):
    main(["engine", str(artifact())])
    assert called(trt, "IBuilderConfig.add_optimization_profile") == []


def test_workspace_and_timing_cache(artifact, trt, tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache") / "timing.cache"
    folder = artifact()
    assert main(["engine", str(folder), "--workspace", "64", "--timing-cache", str(cache)]) == 0
    assert called(trt, "IBuilderConfig.set_memory_pool_limit") == [("WORKSPACE", 64 * 2**20)]
    assert cache.read_bytes() == b"measured"
    assert main(["engine", str(folder), "--timing-cache", str(cache)]) == 0
    assert called(trt, "IBuilderConfig.create_timing_cache") == [(b"",), (b"measured",)]
    assert called(trt, "IBuilderConfig.set_timing_cache") == [(False,), (False,)]


def test_progress_is_told(artifact, trt, capsys):
    main(["engine", str(artifact())])
    err = capsys.readouterr().err
    assert "Building" in err
    assert "Timing" not in err  # a phase inside another


@pytest.mark.parametrize(("fails", "code", "said"), [
    ("builder", 1, "no NVIDIA GPU"),
    ("parse", 1, "In node 3: UNSUPPORTED_NODE"),
    ("profile", 1, "does not take the profile"),
    ("cache", 2, "is of another GPU or TensorRT"),
    ("build", 1, "could not build an engine"),
])  # fmt: skip
def test_what_tensorrt_refuses_is_one_line(fails, code, said, artifact, trt, capsys, tmp_path_factory):
    trt.fails = fails
    folder = artifact(batch="batch")
    assert main(["engine", str(folder), "--timing-cache", str(tmp_path_factory.mktemp("cache") / "c")]) == code
    err = [line for line in capsys.readouterr().err.splitlines() if line.startswith("exporter:")]
    assert len(err) == 1
    assert said in err[0]
    assert not (folder / "model.engine").exists()
    assert read_manifest(folder).engine is None


def test_a_profile_out_of_order(artifact, trt, capsys):
    folder = artifact(batch="batch")
    values = json.loads((folder / "manifest.json").read_text())
    values["backend"]["profile"]["min"][0] = 9
    (folder / "manifest.json").write_text(json.dumps(values))
    assert main(["engine", str(folder)]) == 2
    assert "backend.profile: min [9, 3, 640, 640]" in capsys.readouterr().err


@pytest.mark.parametrize("version", ["8.6.1", "9.3.0", "12.0.0", "unknown"])
def test_a_version_outside_the_known_range(version, artifact, monkeypatch, capsys):
    module = StandIn("11.4.0")
    module.__version__ = version
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    assert main(["engine", str(artifact())]) == 2
    err = capsys.readouterr().err
    assert f"tensorrt {version}: known are 10 and 11" in err


def test_without_the_package_the_commands_are_printed(artifact, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    assert main(["engine", str(artifact(batch="batch"))]) == 1
    captured = capsys.readouterr()
    assert "the package tensorrt is not installed, so no engine was built" in captured.err
    shapes = " ".join(f"--{end}Shapes=images:{n}x3x640x640" for end, n in (("min", 1), ("opt", 8), ("max", 16)))
    for flags in ("--int8 ", "--stronglyTyped ", ""):
        assert f"trtexec --onnx=model.onnx --saveEngine=model.engine {flags}{shapes}\n" in captured.out


def test_the_commands_alone(artifact, capsys):
    assert main(["engine", str(artifact()), "--commands"]) == 0
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if line.startswith("#")] == [
        "# TensorRT 8.6",
        "# TensorRT 10",
        "# TensorRT 11",
    ]


def test_a_version_that_cannot_take_the_artifact(artifact, capsys):
    folder = artifact()
    values = json.loads((folder / "manifest.json").read_text())
    del values["backend"]["build_flags"]["8.6"]
    (folder / "manifest.json").write_text(json.dumps(values))
    assert main(["engine", str(folder), "--commands"]) == 0
    assert "# TensorRT 8.6\n# not possible" in capsys.readouterr().out


def test_another_backends_artifact(artifact, capsys):
    assert main(["engine", str(artifact(backend="onnxruntime"))]) == 2
    assert "backend=onnxruntime: build it with backend=tensorrt" in capsys.readouterr().err


def test_a_file_that_was_changed(artifact, trt, capsys):
    folder = artifact()
    (folder / "model.onnx").write_bytes(b"other")
    assert main(["engine", str(folder)]) == 2
    assert "not what its manifest says" in capsys.readouterr().err


def test_verify_looks_at_the_engine(artifact, trt):
    folder = artifact()
    main(["engine", str(folder)])
    (folder / "model.engine").write_bytes(b"another")
    with pytest.raises(BuildError, match=r"sha256 of model\.engine"):
        list(verify(folder))


# The engine run: the stand-in's "GPU" is the CPU's memory.


def test_a_session_gives_what_onnx_runtime_gives(trt):
    content = parse(PLUGIN.replace("float[1,100,4] raw", "float[batch,100,4] raw")).SerializeToString()
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 50, (1, 100, 2))
    feeds = {
        "raw": np.concatenate([corners, corners + 20], axis=2).astype(np.float32),
        "scores": rng.uniform(0, 1, (1, 100, 3)).astype(np.float32),
    }
    engine, reference = EngineSession(trt, MAGIC + content, device="cpu"), session(content)
    assert [o.name for o in engine.get_outputs()] == [o.name for o in reference.get_outputs()]
    for got, want in zip(engine.run(None, feeds), reference.run(None, feeds), strict=True):
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(("fails", "said"), [("load", "cannot load the engine"), ("run", "could not run the engine")])
def test_a_session_that_fails(fails, said):
    trt = StandIn("11.4.0", fails)
    with pytest.raises(BuildError, match=said):
        EngineSession(trt, MAGIC + parse(INT8).SerializeToString(), "cpu").run(
            None, {"images": np.zeros((1, 3, 8, 8), np.uint8)}
        )


def test_a_shape_outside_the_profile(trt):
    engine = EngineSession(trt, MAGIC + parse(INT8).SerializeToString(), "cpu")
    with pytest.raises(BuildError, match=r"does not take images of shape \[2, 3, 8, 8\]"):
        engine.run(None, {"images": np.zeros((2, 3, 8, 8), np.uint8)})


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr("exporter.deploy.engine.proof.IMAGES", 3)
    return StandIn("11.4.0")


def test_the_proof_holds_the_engine_against_the_artifact(int8_artifact, few):
    found = read_manifest(int8_artifact)
    plan = MAGIC + (int8_artifact / "model.onnx").read_bytes()
    metrics = prove_engine(few, plan, int8_artifact, found, "cpu")
    assert metrics["boxes"] == metrics["matched"] > 0
    assert metrics["mean_iou"] == pytest.approx(1, abs=1e-4)


def test_the_proof_refuses_another_network(int8_artifact, few):
    found = read_manifest(int8_artifact)
    model = onnx.load(int8_artifact / "model.onnx")
    for tensor in model.graph.initializer:  # the same graph with its first scales doubled
        if tensor.name.endswith("/scale") and tensor.data_type == onnx.TensorProto.FLOAT:
            tensor.CopyFrom(onnx.numpy_helper.from_array(2 * onnx.numpy_helper.to_array(tensor), tensor.name))
            break
    with pytest.raises(BuildError, match="the engine is not the artifact"):
        prove_engine(few, MAGIC + model.SerializeToString(), int8_artifact, found, "cpu")


def test_the_stand_in_refuses_what_is_not_documented(trt):
    config = trt.Builder(trt.Logger(trt.Logger.WARNING)).create_builder_config()
    with pytest.raises(AttributeError, match="max_workspace_size"):  # of TensorRT 8
        config.max_workspace_size = 1
    with pytest.raises(AttributeError, match="int8_calibration"):
        _ = config.int8_calibration
    with pytest.raises(TypeError):
        config.set_memory_pool_limit(size=1)
    assert hasattr(trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH") == trt.__version__.startswith("10")
    assert "FP16" not in dir(trt)
    assert set(API) == {"source", "10.0.1", "11.4.0"}
