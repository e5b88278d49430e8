"""The node, and with it all that `quantization=modelopt` shares, against a stand-in for NVIDIA's package and a reference
in torch."""

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from exporter.common.errors import BuildError, RequestError
from exporter.common.progress_form import progress_in
from exporter.quantization.int8 import Int8
from exporter.quantization.pytorch_quantization import PytorchQuantization
from exporter.quantization.task import Task
from tests.quantization.networks import constants, made_images, run
from tests.quantization.torch_network import LAYERS, LEFT, PATHS, SIZE, core, core_of_two, network, on_integers, read_by


@pytest.fixture
def stand_in(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("pytorch_quantization")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "stand_in"))
    import pytorch_quantization

    pytorch_quantization.calls.clear()
    yield pytorch_quantization
    for name in [name for name in sys.modules if name.startswith("pytorch_quantization")]:
        monkeypatch.delitem(sys.modules, name)


def quantize(node=None, **arguments):
    defaults = {"core": core(), "images": made_images(3, SIZE), "network": network(), "input_range": (0.0, 1.0)}
    return (node or PytorchQuantization()).quantize(Task(**(defaults | arguments)))


def limits(model: onnx.ModelProto) -> dict[str, float]:
    """Of each convolution's input, by the convolution's name."""
    stored, producers = constants(model), {output: node for node in model.graph.node for output in node.output}
    return {
        node.name: float(stored[producers[node.input[0]].input[1]]) * 127
        for node in model.graph.node
        if node.op_type in ("Conv", "ConvTranspose") and producers[node.input[0]].op_type == "DequantizeLinear"
    }


def test_the_graph_computes_what_torch_computes_on_integers(stand_in):
    model = quantize().model
    onnx.checker.check_model(model, full_check=True)
    seen = read_by(set(PATHS), made_images(3, SIZE))
    expected = {path: float(values.abs().max()) for path, values in seen.items()}
    assert limits(model) == {
        name: pytest.approx(expected[path], rel=1e-6) for name, path in zip(LAYERS, PATHS, strict=True)
    }
    for image in made_images(4, SIZE, seed=7):  # other images, so that some values saturate
        for got, wanted in zip(run(model, image, optimize=False), on_integers(expected, image), strict=True):
            np.testing.assert_allclose(got, wanted, atol=2e-4)


def test_the_summary_is_that_of_int8_and_names_the_engine(stand_in):
    said = []
    progress = progress_in("text")
    progress.warn = said.append
    summary = quantize(progress=progress).summary
    # The layer that is a function of torch cannot be reached from inside the network: it is left out, and listed.
    assert summary.convolutions.model_dump() == {"int8": 5, "float": 3, "left_in_float": LEFT}
    assert (summary.scheme, summary.activations, summary.weights) == ("s8s8", ["int8"], ["int8"])
    assert summary.engine.model_dump() == {"name": "pytorch-quantization", "version": "2.1.3"}
    assert "stand-in" in summary.verified and "TensorRT" in summary.engines
    own = Int8().quantize(Task(core(), images=made_images(2, SIZE))).summary
    keys = {key for key, value in own if value is not None and not key.startswith(("reduce_range", "bias"))}
    assert keys <= {key for key, value in summary if value is not None}
    assert ["left in float: network/Conv" in said[0], "slower than float32" in said[1], len(said)] == [True, True, 2]
    quantize(progress=progress, scheme="s8s8")  # a backend that wants it
    assert "slower" not in "".join(said[2:])


@pytest.mark.parametrize(
    ("method", "percentile", "asked"),
    [
        ("minmax", 99.0, ()),
        ("percentile", 99.0, ("percentile", ("percentile", 99.0))),
        ("entropy", 99.0, ("entropy", ("stride", 16))),
    ],
)
def test_the_methods_are_the_packages_own(stand_in, method, percentile, asked):
    found = limits(quantize(method=method, percentile=percentile).model)
    kind = "max" if method == "minmax" else "histogram"
    # The image itself is always taken whole.
    assert sorted(stand_in.calls) == sorted(
        [("TensorQuantizer", "max"), ("load_calib_amax",)] + [("TensorQuantizer", kind)] * 3 + [("load_calib_amax", *asked)] * 3
    )  # fmt: skip
    seen = read_by(set(PATHS), made_images(3, SIZE))
    assert found["stem/Conv"] == pytest.approx(float(seen["stem"].max()), rel=1e-6)
    values = seen["down"].abs()
    wanted = {
        "minmax": values.max(),
        "percentile": torch.quantile(values, percentile / 100),
        "entropy": values.max() / 2,
    }
    assert found["norm/Conv"] == pytest.approx(float(wanted[method]), rel=1e-6)


def test_a_batch_of_two_counts_each_image_once(stand_in):
    # A third image has to fill up its batch; what it is filled up with must not weigh twice.
    quantized = quantize(core=core_of_two(), method="percentile", percentile=90.0)
    assert limits(quantized.model) == limits(quantize(method="percentile", percentile=90.0).model)


def test_patterns_decide(stand_in):
    summary = quantize(PytorchQuantization(exclude=("up", "stem"))).summary
    assert summary.exclude == {"up": ["up/ConvTranspose"], "stem": ["stem/Conv"]}
    assert {"up/ConvTranspose", "stem/Conv"} < set(summary.convolutions.left_in_float)
    assert quantize(PytorchQuantization(include=("heads.*",))).summary.convolutions.left_in_float == [
        *LAYERS,
        LEFT[0],
    ]
    assert quantize(PytorchQuantization(first_n=2)).summary.first_n == LAYERS[:2]
    with pytest.raises(RequestError, match=r"quantization\.exclude: 'steem' matches no layer; near ones: stem"):
        quantize(PytorchQuantization(exclude=("steem",)))


def test_nothing_of_the_callers_is_changed(stand_in):
    before = core().SerializeToString(deterministic=True), {k: v.clone() for k, v in network().state_dict().items()}
    quantize()
    assert core().SerializeToString(deterministic=True) == before[0]
    assert network().state_dict().keys() == before[1].keys()
    assert all(torch.equal(value, before[1][key]) for key, value in network().state_dict().items())
    assert not any(module._forward_pre_hooks for module in network().modules())


def test_where_there_is_no_torch_network(stand_in):
    for other in (None, object()):
        with pytest.raises(RequestError, match=r"torch network .* take int8 or nncf"):
            quantize(network=other)


def test_what_is_not_finite_names_its_layer(stand_in):
    broken = onnx.ModelProto.FromString(core().SerializeToString())
    (weight,) = [t for t in broken.graph.initializer if t.name == "up.weight"]
    array = onnx.numpy_helper.to_array(weight).copy()
    array[0, 0, 0, 0] = np.nan
    weight.CopyFrom(onnx.numpy_helper.from_array(array, "up.weight"))
    with pytest.raises(BuildError, match=r"weights up\.weight: not all values are finite"):
        quantize(core=broken)
    with pytest.raises(RequestError, match=r"images hold values from .* the network's input goes from 0 to 1"):
        quantize(images=[image * np.float32(255) for image in made_images(1, SIZE)])


def test_a_tensor_that_is_always_zero_stays_zero(stand_in):
    dark = [np.zeros((1, 3, SIZE, SIZE), np.float32)]
    quantized = quantize(images=dark)
    assert "images" in quantized.summary.always_zero
    assert limits(quantized.model)["stem/Conv"] == 127  # scale 1
    assert all(np.isfinite(output).all() for output in run(quantized.model, dark[0]))
