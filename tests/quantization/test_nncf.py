"""The node on the small core, and a whole build."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

import exporter
from exporter.common.errors import BuildError, RequestError
from exporter.quantization.int8 import Int8
from exporter.quantization.nncf import Nncf
from exporter.quantization.task import Task
from tests.quantization.networks import Builder, constants, detector, made_images, relative_error, run

pytest.importorskip("nncf", reason='NNCF is not installed: pip install "exporter[nncf]"')


def quantize(node=None, **arguments):
    defaults = {"core": detector(), "images": made_images(4), "input_range": (0.0, 1.0)}
    return (node or Nncf()).quantize(Task(**(defaults | arguments)))


@pytest.fixture(scope="module")
def quantized():
    return quantize()


def test_the_summary_is_that_of_int8_and_names_the_engine(quantized):
    model, summary = quantized[:2]
    onnx.checker.check_model(model, full_check=True)
    left = ["heads.reg_pred/Conv", "heads.cls_pred/Conv"]
    assert summary.convolutions.model_dump() == {"int8": 6, "float": 2, "left_in_float": left}
    assert (summary.scheme, summary.activations, summary.weights) == ("u8s8", ["uint8"], ["int8"])
    assert summary.engine.name == "nncf"
    own = Int8().quantize(Task(detector(), images=made_images(2))).summary
    keys = {key for key, value in own if value is not None and not key.startswith(("reduce_range", "bias"))}
    assert keys <= {key for key, value in summary if value is not None}
    assert not model.metadata_props and model.producer_name == "exporter"


def test_onnxruntime_runs_its_trunk_on_integers(quantized, tmp_path):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    ort.InferenceSession(quantized.model.SerializeToString(), options)
    kinds = [node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node]
    assert kinds.count("QLinearConcat") == 2 and kinds.count("QLinearConv") >= 4


@pytest.mark.parametrize("method", ["minmax", "percentile", "mse"])
def test_every_method_stays_close(method):
    model = quantize(method=method).model
    for expected, got in zip(run(detector(), made_images(1)[0]), run(model, made_images(1)[0]), strict=True):
        assert relative_error(expected, got) < 0.08


def test_the_bytes_of_an_image_are_the_quantized_input(quantized):
    stored = constants(quantized.model)
    (node,) = [n for n in quantized.model.graph.node if n.op_type == "QuantizeLinear" and n.input[0] == "images"]
    assert stored[node.input[1]] == np.float32(1 / 255)
    assert (stored[node.input[2]], stored[node.input[2]].dtype) == (0, np.uint8)


def test_patterns_decide():
    summary = quantize(Nncf(exclude=("backbone.stem", "neck.up/*"))).summary
    assert {"backbone.stem.conv/Conv", "neck.up/ConvTranspose"} < set(summary.convolutions.left_in_float)
    assert quantize(Nncf(first_n=1)).summary.first_n == ["backbone.stem.conv/Conv"]


@pytest.mark.parametrize("batch", ["batch", 2])
def test_the_core_is_not_changed_and_its_interface_is_kept(batch):
    core = detector(batch=batch)
    before = core.SerializeToString(deterministic=True)
    model = quantize(core=core, images=made_images(3)).model
    assert core.SerializeToString(deterministic=True) == before
    assert list(model.graph.input) == list(core.graph.input) and list(model.graph.output) == list(core.graph.output)
    two = np.concatenate(made_images(2))
    for expected, got in zip(run(core, two), run(model, two), strict=True):
        assert relative_error(expected, got) < 0.08


def test_what_is_unfit_is_said():
    with pytest.raises(RequestError, match="makes u8s8 only, the backend wants s8s8"):
        quantize(scheme="s8s8")
    with pytest.raises(RequestError, match="the network's input goes from 0 to 1"):
        quantize(images=[image * np.float32(255) for image in made_images(2)])
    b = Builder()
    stem = b.conv_relu("stem", "images", 3, 8)
    b.weights["stem.conv.weight"][0, 0, 0, 0] = np.inf
    with pytest.raises(BuildError, match=r"weights stem\.conv\.weight: not all values are finite"):
        quantize(core=b.model(b.conv("last", b.conv_relu("next", stem, 8, 8), 8, 4)))


@pytest.mark.slow
def test_two_processes_give_the_same_bytes_and_nothing_else_is_printed():
    program = (
        "import hashlib, os; from tests.quantization.networks import *; from exporter.quantization.nncf import Nncf\n"
        "from exporter.quantization.task import Task\n"
        "for method in ('minmax', 'mse'):\n"
        "    q = Nncf().quantize(Task(detector(), pictures=pictures(3), method=method, input_range=(0.0, 1.0)))\n"
        "    print(hashlib.sha256(q.model.SerializeToString()).hexdigest())\n"
        "from nncf.telemetry.wrapper import NNCFTelemetry, telemetry\n"
        "print(isinstance(telemetry, NNCFTelemetry), os.environ.get('NNCF_CI'))\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    (lines,) = (output.splitlines() for output in outputs)
    assert len(lines) == 3 and len(lines[0]) == 64
    assert lines[2] == "False None"  # no usage statistics are sent, and the variable that says so is gone again


@pytest.mark.slow
def test_a_whole_build(tmp_path):
    overrides = [
        "quantization=nncf",
        "input.size=160",
        "input.batch=dynamic",
        "calibration.num_images=8",
        "proof.num_scenes=8",
    ]
    manifest = exporter.build("yolo_nas_s", [*overrides, f"output_dir={tmp_path / 'artifact'}"])
    assert manifest.quantization.convolutions.int8 == 94 and "nncf" in manifest.versions
    # From the bytes straight into the first layer: nothing computes before it.
    assert "Cast" not in manifest.artifact.operators
