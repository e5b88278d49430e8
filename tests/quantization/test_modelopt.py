"""The node against nvidia-modelopt's own way: its `quantize`, its simulation in torch, its export to ONNX."""

import copy
import io
import warnings

import numpy as np
import onnx
import pytest
import torch

import exporter
from exporter.quantization.modelopt import ModelOpt
from exporter.quantization.task import Task
from tests.quantization.networks import constants, made_images, relative_error, run
from tests.quantization.torch_network import LAYERS, LEFT, PATHS, SIZE, core, network

pytest.importorskip("modelopt", reason='nvidia-modelopt is not installed: pip install "exporter[modelopt]"')
for needed in ("requests", "huggingface_hub"):
    pytest.importorskip(needed, reason="nvidia-modelopt imports it")


def quantize(**arguments):
    defaults = {"images": made_images(3, SIZE), "network": network(), "input_range": (0.0, 1.0)}
    return ModelOpt().quantize(Task(core(), **(defaults | arguments)))


@pytest.fixture(scope="module")
def simulated():
    """The network as ModelOpt quantizes it by itself, with the same layers, in INT8 and calibrated by the largest."""
    import modelopt.torch.quantization as mtq

    fused = copy.deepcopy(network())
    fused.down, fused.norm = torch.nn.utils.fusion.fuse_conv_bn_eval(fused.down, fused.norm), torch.nn.Identity()
    config = [{"quantizer_name": "*", "enable": False}]
    for path in set(PATHS):
        axis = 1 if path == "up" else 0
        config.append({"quantizer_name": f"{path}.weight_quantizer", "cfg": {"num_bits": 8, "axis": axis}})
        config.append({"quantizer_name": f"{path}.input_quantizer", "cfg": {"num_bits": 8, "axis": None}})

    def forward_loop(model):
        for image in made_images(3, SIZE):
            model(torch.from_numpy(image))

    return mtq.quantize(fused, {"quant_cfg": config, "algorithm": "max"}, forward_loop)


def test_the_same_as_modelopts_own_simulation(simulated):
    model = quantize().model
    onnx.checker.check_model(model, full_check=True)
    for image in made_images(4, SIZE, seed=7):
        expected = [output.numpy() for output in simulated(torch.from_numpy(image))]
        for got, wanted in zip(run(model, image, optimize=False), expected, strict=True):
            np.testing.assert_allclose(got, wanted, atol=2e-4)


def test_the_same_scales_and_pairs_as_modelopts_own_export(simulated):
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter that torch means to give up
        torch.onnx.export(simulated, (torch.zeros(1, 3, SIZE, SIZE),), file, dynamo=False, opset_version=18)
    theirs = onnx.load_from_string(file.getvalue())
    made = {node.output[0]: node for node in theirs.graph.node}

    def behind(name: str) -> onnx.NodeProto:
        return made[name] if made[name].op_type != "Identity" else behind(made[name].input[0])

    def scales(value: str) -> np.ndarray:
        constant = behind(made[value].input[1])
        return onnx.numpy_helper.to_array(constant.attribute[0].t)

    layers = [n for n in theirs.graph.node if n.op_type in ("Conv", "ConvTranspose")]
    pairs = [
        [scales(value) for value in n.input[:2]]
        for n in layers
        if made.get(n.input[0], n).op_type == "DequantizeLinear"
    ]
    own, stored = quantize().model, constants(quantize().model)
    producers = {output: node for node in own.graph.node for output in node.output}
    by_name = {node.name: node for node in own.graph.node}
    assert len(pairs) == len(LAYERS)
    for name, theirs_of_it in zip(LAYERS, pairs, strict=True):
        for value, expected in zip(by_name[name].input[:2], theirs_of_it, strict=True):
            np.testing.assert_allclose(stored[producers[value].input[1]], expected, rtol=1e-6)


@pytest.mark.parametrize("method", ["minmax", "percentile", "entropy"])
def test_every_method_stays_close(method):
    quantized = quantize(method=method)
    assert quantized.summary.convolutions.model_dump() == {"int8": 5, "float": 3, "left_in_float": LEFT}
    assert quantized.summary.engine.name == "nvidia-modelopt"
    (image,) = made_images(1, SIZE, seed=9)
    for expected, got in zip(run(core(), image), run(quantized.model, image), strict=True):
        assert relative_error(expected, got) < 0.08


def test_twice_the_same_bytes_and_nothing_of_the_callers_is_changed():
    before = {key: value.clone() for key, value in network().state_dict().items()}
    first, second = (quantize().model.SerializeToString(deterministic=True) for _ in range(2))
    assert first == second
    assert all(torch.equal(value, before[key]) for key, value in network().state_dict().items())
    assert [name for name, _ in network().named_modules() if "quantizer" in name] == []


@pytest.mark.slow
def test_a_whole_build(tmp_path):
    overrides = [
        "quantization=modelopt",
        "input.size=160",
        "input.batch=2",
        "calibration.num_images=9",
        "proof.num_scenes=8",
    ]
    manifest = exporter.build("yolo_nas_s", [*overrides, f"output_dir={tmp_path / 'artifact'}"])
    assert manifest.quantization.convolutions.int8 == 94 and manifest.input.shape == [2, 3, 160, 160]
    assert manifest.quantization.scheme == "s8s8" and "nvidia-modelopt" in manifest.versions
