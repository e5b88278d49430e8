"""TensorRT for RTX: what is refused before any work, and artifacts that NVIDIA's own compiler takes whole."""

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import yaml

import exporter
from exporter.artifact.manifest import read_manifest
from exporter.backend.parse import parsed_by_nvidia
from exporter.backend.tensorrt import TensorRT
from exporter.backend.tensorrt_rtx import TensorRtRtx
from exporter.cli import main
from exporter.common.errors import BuildError, RequestError
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.graph.before_plugins import before_plugins
from exporter.model.architectures import ARCHITECTURES
from exporter.postprocessing.format.batch import BatchFormat
from exporter.postprocessing.nms.onnx import OnnxNms
from exporter.runtime.onnx_runtime import session
from exporter.runtime.tensorrt.library import installed
from exporter.runtime.tensorrt.network import configured, parsed, serialized
from tests.backend.lint.graphs import CLEAN, PLUGIN, parse
from tests.backend.test_tensorrt import Cells
from tests.making import made
from tests.postprocessing.test_graph import core

YAML = Path(__file__).parents[2] / "conf" / "backend" / "tensorrt_rtx.yaml"
RTX = ["+recipe=yolo_nas_s", "backend=tensorrt_rtx"]


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["postprocessing/nms=onnx"], r"nms=onnx: TensorRT-RTX has no implementation of NonMaxSuppression: take postprocessing/nms=cluster"),
        (["postprocessing/nms=efficientnms"], r"nms=efficientnms: is for backend=tensorrt only: .* postprocessing/nms=auto"),
        (["postprocessing/format=flat"], r"format=flat: TensorRT-RTX has no implementation of NonZero: take .*format=batch"),
        (["input.batch=dynamic"], r"input\.batch=dynamic: .* add backend\.batch=\[1,8,16\]"),
        (["input.batch=dynamic", "backend.batch=[8,1,16]"], r"least, usual and most must be at least 1 and in that order"),
        (["quantization=int8", "quantization.scheme=u8s8"], r"scheme=u8s8: .*leave it auto"),
        (["preprocessing=letterbox"], r"preprocessing: .* resize outside"),
        (["postprocessing.nms.max_candidates_per_image=4096"], r"max_candidates_per_image=4096: .* at most 3839"),
    ],
)  # fmt: skip
def test_what_it_cannot_take_is_refused_with_what_to_do(overrides, says):
    with pytest.raises(RequestError, match=says):
        check(compose([*RTX, *overrides]))


@pytest.mark.parametrize("shape", ["input.batch=2", "input.size=dynamic", "postprocessing.nms.multi_label=false"])
def test_auto_is_cluster_whatever_the_shape(shape):
    nms = check(compose([*RTX, shape])).nms
    assert (nms.name, nms.parameters.max_candidates_per_image) == ("cluster", 1024)


def test_without_the_package_nothing_is_started(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt_rtx_bindings", None)
    with pytest.raises(RequestError, match=r"pip install exporter\[tensorrt-rtx\] \(no GPU needed\), or take"):
        check(compose(RTX))
    assert check(compose(["+recipe=yolo_nas_s", "backend=tensorrt"])).backend == TensorRT()


def test_the_yaml_holds_every_field_with_its_default():
    written = yaml.safe_load(YAML.read_text(encoding="utf-8"))
    assert written.pop("_target_") == "exporter.backend.TensorRtRtx"
    assert written == TensorRtRtx().model_dump()


# Each precision, fixed and free shapes, with NMS and without: of a small network, so that it takes seconds.
BUILDS = {
    "FP32, dynamic batch": ["input.batch=dynamic", "backend.batch=[1,2,4]"],
    "FP16, batch 2": ["quantization=fp16", "input.batch=2"],
    "INT8, no NMS": ["quantization=int8", "calibration=demo", "calibration.num_images=2", "postprocessing/nms=none"],
    "INT8 and FP16, dynamic sides": ["quantization=int8_fp16", "calibration=demo", "calibration.num_images=2",
                                     "input.size=dynamic", "input.min_size=64", "input.nominal_size=96",
                                     "input.max_size=128"],
}  # fmt: skip


QUICK = ("INT8, no NMS", "INT8 and FP16, dynamic sides")


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in BUILDS],
)
def artifact(request, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("artifacts") / "rtx"
    size = [] if any("input.size" in each for each in BUILDS[request.param]) else ["input.size=96"]
    torch.manual_seed(0)
    exporter.build("yolo_nas_s", ["backend=tensorrt_rtx", *BUILDS[request.param], *size, "proof.num_images=2",
                                  "proof.num_scenes=0", f"output_dir={folder}"], model=Cells())  # fmt: skip
    return folder


def test_the_whole_artifact_is_compiled_and_the_manifest_says_so(artifact, capsys):
    backend, library = read_manifest(artifact).backend, installed("tensorrt_rtx")
    assert backend.name == "tensorrt_rtx" and not backend.build_flags
    assert backend.verified.startswith("proved on CPU in onnxruntime 1.")
    assert backend.verified.endswith(f"compiled by {library.label} for {', '.join(library.targets)}, not run")
    assert main(["verify", str(artifact)]) == 0
    assert main(["engine", str(artifact), "--target", "sm86"]) == 0
    assert read_manifest(artifact).engine.profile == backend.profile
    assert "sm86" in capsys.readouterr().out


def test_what_the_parser_refuses_stops_the_build():
    """Behind all rules of our own: one that none of them knows."""
    model = parse(CLEAN["int8"])
    model.graph.node[3].name = "weights"  # TensorRT calls the layer of a constant by the constant's name
    with pytest.raises(BuildError, match=r"cannot parse it: .*already in use"):
        parsed_by_nvidia(model)


def test_nms_of_onnx_is_parsed_and_not_compiled():
    """Why it is refused at composition."""
    nms = OnnxNms(confidence_threshold=0.25, nms_threshold=0.5, max_predictions_per_image=10)
    model = TensorRT().finish(BatchFormat().attach(nms.attach(core(False, 1, 50, 2))))
    network = parsed(installed("tensorrt_rtx"), model.SerializeToString())
    with pytest.raises(BuildError, match=r"cannot compile it: .*no runners"):
        serialized(network, configured(network, ["sm86"], None))


def test_the_part_before_a_plugin_is_parsed_and_computes_the_same():
    model = parse(PLUGIN)
    front = before_plugins(model)
    assert [node.op_type for node in front.graph.node] == ["Mul"]
    onnx.checker.check_model(front)
    raw = np.arange(400, dtype=np.float32).reshape(1, 100, 4)
    out = session(front.SerializeToString()).run(None, {"raw": raw, "scores": np.zeros((1, 100, 3), np.float32)})
    np.testing.assert_array_equal(out[0], 2 * raw)
    assert parsed_by_nvidia(model).endswith("(the part before its plugin)")
    assert before_plugins(parse(CLEAN["int8"])) == parse(CLEAN["int8"])


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("precision", ["none", "fp16", "int8", "int8_fp16"])
def test_every_network_in_every_precision_is_compiled_whole(name, precision):
    """Bytes in, detections out, for three GPUs that are not here."""
    overrides = [f"+recipe={name}", f"quantization={precision}", "backend=tensorrt_rtx", "input.size=64",
                 "model.weights=random"]  # fmt: skip
    if "int8" in precision:
        overrides += ["calibration=demo", "calibration.num_images=2"]
    recipe = check(compose(overrides))
    network = parsed(installed("tensorrt_rtx"), made(recipe.model.load(), recipe))
    plan = serialized(network, configured(network, ["sm86", "sm89", "sm120"], None))
    assert len(plan) > 1_000_000 and network.num_layers > 100
