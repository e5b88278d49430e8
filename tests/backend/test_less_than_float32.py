"""Engines that compute in less than float32: proved with margins and bounds of their own, on any processor."""

from dataclasses import replace
from functools import partial

import onnx
import pytest

from exporter.backend.openvino import OpenVino
from exporter.common.errors import BuildError
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.proof.bounds import bounds_of
from exporter.proof.prove import torch_outputs
from exporter.quantization.int8 import Int8
from tests.backend.rounded import RoundedEngine
from tests.making import attach, prove, traced

OVERRIDES = [
    "model=yolo_nas_s",
    "model.weights=demo",
    "backend=openvino",
    "input.size=160",
    "proof.num_scenes=4",
    "proof.num_images=4",
]


class Rounded(OpenVino):
    """OpenVINO's bounds, in an engine that rounds as it may."""

    @property
    def engine(self) -> RoundedEngine:
        return RoundedEngine(precision=self.precision)


def recipe(*more):
    return check(compose([*OVERRIDES, *more]))


@pytest.fixture(scope="module")
def network():
    asked = recipe()
    loaded = asked.model.load()
    return loaded, traced(asked)


def proved(network, precision, built, asked):
    """The proof of an artifact that was built for one recipe and is asked to be another's."""
    loaded, core = network
    model = built.backend.finish(attach(core, built))
    given = replace(asked, backend=Rounded(precision=precision))
    return prove(model.SerializeToString(), loaded, given, partial(torch_outputs, loaded))


SLOW = pytest.mark.slow


@pytest.mark.parametrize("precision", ["f16", pytest.param("bf16", marks=SLOW)])
@pytest.mark.parametrize(
    "words",
    [
        [],
        pytest.param(["postprocessing/nms=cluster"], marks=SLOW),
        pytest.param(["postprocessing/format=yolo"], marks=SLOW),
        pytest.param(["postprocessing/format=deepstream"], marks=SLOW),
    ],
    ids=str,
)
def test_it_passes_its_own_proof(network, precision, words):
    asked = recipe(*words)
    proof = proved(network, precision, asked, asked)
    assert proof.network.max_score_error > 1e-4  # it did compute in less
    assert proof.bounds == Rounded(precision=precision).bounds
    if proof.postprocessing:
        assert proof.postprocessing.rows > 10 and proof.postprocessing.unexplained == 0


def test_random_weights_have_no_bounds_and_those_of_int8_are_never_the_narrower(network):
    loaded, _ = network
    asked, backend = recipe(), Rounded(precision="bf16")
    random = replace(loaded, weights=loaded.weights.model_copy(update={"source": "random, seed 0", "kind": "random"}))

    def bounds(model, quantization):
        artifact = onnx.ModelProto().SerializeToString()
        return bounds_of(artifact, model.facts, asked.request, backend, quantization, asked.proof)

    assert bounds(random, asked.quantization) == bounds(random, Int8()) == {}
    assert bounds(loaded, asked.quantization) == backend.bounds
    wider = {key: max(value, backend.bounds.get(key, 0)) for key, value in Int8().bounds.items()}
    assert bounds(loaded, Int8()) == wider


class Unbounded(Rounded):
    """Without them."""

    @property
    def bounds(self) -> dict[str, float]:
        return {}


@pytest.mark.slow
def test_it_would_not_pass_that_of_float32(network):
    loaded, core = network
    asked = recipe()
    model = asked.backend.finish(attach(core, asked)).SerializeToString()
    given = replace(asked, backend=Unbounded(precision="bf16"))
    with pytest.raises(BuildError, match=r"max_score_error is .*, allowed"):
        prove(model, loaded, given, partial(torch_outputs, loaded))


@pytest.mark.parametrize("precision", [pytest.param("f16", marks=SLOW), "bf16"])
@pytest.mark.parametrize("fault", [
    pytest.param("postprocessing.nms.confidence_threshold=0.6", marks=SLOW),
    "postprocessing.nms.confidence_threshold=0.1",
    pytest.param("postprocessing.nms.nms_threshold=0.05", marks=SLOW),
    pytest.param("postprocessing.nms.nms_threshold=0.95", marks=SLOW),
])  # fmt: skip
def test_faults_of_the_nms_are_no_roundings(network, precision, fault):
    with pytest.raises(BuildError, match="detections are not what the contract of the NMS gives"):
        proved(network, precision, recipe(fault), recipe())
