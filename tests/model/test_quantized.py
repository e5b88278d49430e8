"""`model=onnx` takes files that somebody else quantized as they are."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from exporter.artifact.manifest import read_manifest
from exporter.artifact.verify import verify
from exporter.cli import main
from exporter.graph.align_channels import align_channels
from exporter.graph.facts import is_quantized
from exporter.model.graph_core import named_apart
from exporter.quantization.summary import summarize
from tests.model.graphs import detector

SYMMETRIC = {"ActivationSymmetric": True, "WeightSymmetric": True}
FORMS = {
    "QDQ": {"quant_format": QuantFormat.QDQ, "per_channel": True},
    "QDQ per tensor": {"quant_format": QuantFormat.QDQ, "activation_type": QuantType.QUInt8},
    "QAT": {  # float weights behind both, as training with fake quantization leaves them
        "quant_format": QuantFormat.QDQ, "per_channel": True, "activation_type": QuantType.QInt8,
        "extra_options": SYMMETRIC | {"AddQDQPairToWeight": True},
    },
    "QOperator": {"quant_format": QuantFormat.QOperator},
}  # fmt: skip


class Noise(CalibrationDataReader):
    left = 3

    def get_next(self) -> dict:
        self.left -= 1
        if self.left < 0:
            return {}
        return {"images": np.random.default_rng(self.left).random((1, 3, 64, 96), dtype=np.float32)}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("quantized")
    onnx.save(named_apart(detector(batch=1)), folder / "float.onnx")
    for name, options in FORMS.items():
        quantize_static(folder / "float.onnx", folder / f"{name}.onnx", Noise(), **options)
    return folder


def overrides(folder, name, *more):
    return ["model=onnx", f"model.weights={folder / name}.onnx", "input.height=64", "input.width=96",
            "proof.num_images=2", *more]  # fmt: skip


@pytest.mark.parametrize(
    "form", ["QDQ", *(pytest.param(form, marks=pytest.mark.slow) for form in ("QOperator", "QDQ per tensor", "QAT"))]
)
def test_it_is_taken_as_it_is(files, tmp_path, form):
    # the order of channels would otherwise be folded into weights, which may saturate in another order
    assert (
        main([*overrides(files, form, "preprocessing=ppyoloe", "input.channels=bgr"), f"output_dir={tmp_path}/out"])
        == 0
    )
    manifest = read_manifest(tmp_path / "out")
    quantization = manifest.quantization.model_dump()
    assert quantization["precision"] == "int8"
    assert quantization["convolutions"] == {"int8": 3, "float": 0, "left_in_float": []}
    assert quantization["weight_scales"] == ["per channel" if "per_channel" in FORMS[form] else "per tensor"]
    assert (quantization["largest_weight"] is None) == (form == "QAT")
    assert manifest.proof.network.max_score_error < 1e-4
    assert len(list(verify(tmp_path / "out"))) == 5


@pytest.mark.parametrize("form", FORMS)
def test_it_cannot_be_quantized_again(files, tmp_path, form, capsys):
    asked = ["quantization=int8", "calibration=demo", "preprocessing=yolo_nas"]
    assert main([*overrides(files, form, *asked), f"output_dir={tmp_path}/out"]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert said == [said[0]] and "quantization=int8: the network is quantized already" in said[0]


def test_floats_are_not_taken_for_integers(files):
    assert not is_quantized(onnx.load(files / "float.onnx"))
    counted = summarize(onnx.load(files / "float.onnx")).convolutions.model_dump()
    assert (counted["int8"], counted["float"]) == (0, 3)


def test_constants_in_nodes_and_types_without_zero_points_are_counted():
    """As PyTorch's exporter writes fake quantization: scales in Constant nodes, no zero points."""
    model = detector(batch=1)
    scale = numpy_helper.from_array(np.float32(0.01), "")
    integers = numpy_helper.from_array(np.ones((8, 3, 4, 4), np.int8), "w1/integers")
    zero = numpy_helper.from_array(np.int8(0), "")
    model.graph.initializer.append(integers)
    model.graph.node[0].input[:] = ["images/read", "w1/read"]
    nodes = [
        helper.make_node("Constant", [], ["s"], value=scale),
        helper.make_node("Constant", [], ["z"], value=zero),
        helper.make_node("QuantizeLinear", ["images", "s", "z"], ["images/integers"]),
        helper.make_node("DequantizeLinear", ["images/integers", "s"], ["images/read"]),
        helper.make_node("DequantizeLinear", ["w1/integers", "s"], ["w1/read"]),
    ]
    for node in reversed(nodes):
        model.graph.node.insert(0, node)
    counted = summarize(model).model_dump()
    assert counted["convolutions"]["int8"] == 1
    assert (counted["activations"], counted["weights"], counted["largest_weight"]) == (["int8"], ["int8"], 1)


def test_other_operators_of_onnx_runtime_are_refused(files, tmp_path, capsys):
    model = onnx.load(files / "QOperator.onnx")
    model.graph.node.append(helper.make_node("FusedConv", ["images"], ["more"], domain="com.microsoft"))
    body = helper.make_graph([model.graph.node[-1]], "body", [], [helper.make_empty_tensor_value_info("more")])
    model.graph.node[-1].CopyFrom(helper.make_node("If", ["yes"], ["more"], then_branch=body, else_branch=body))
    model.graph.initializer.append(helper.make_tensor("yes", TensorProto.BOOL, [], [True]))
    onnx.save(model, tmp_path / "fused.onnx")
    assert main([*overrides(tmp_path, "fused"), f"output_dir={tmp_path}/out"]) == 2
    assert "not standard ONNX (com.microsoft::FusedConv)" in capsys.readouterr().err


def test_float_weights_behind_a_pair_are_not_aligned(files):
    model = onnx.load(files / "QAT.onnx")
    assert len(align_channels(model).graph.node) == len(model.graph.node)
