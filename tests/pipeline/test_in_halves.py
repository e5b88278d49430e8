"""What an artifact's network gave for an image is remembered; what stands behind it is computed each time."""

from dataclasses import dataclass, field

import numpy as np
import onnx
import pytest

from exporter.common.progress import Progress
from exporter.pipeline.stages.in_halves import remembered_sessions
from exporter.runtime.onnx_runtime import OnnxRuntimeEngine
from exporter.store.place import Store
from exporter.store.stage import Run
from tests.proof.bases import base


@dataclass(frozen=True)
class Counting(OnnxRuntimeEngine):
    """Remembers which models it loaded, by how many convolutions they have."""

    loaded: list[int] = field(default_factory=list)

    def session(self, model, threads=None, limits=None):
        nodes = onnx.load_from_string(model).graph.node
        self.loaded.append(sum(node.op_type == "Conv" for node in nodes))
        return super().session(model, threads, limits)


@pytest.fixture
def shown(tmp_path):
    """Shows an image to an artifact, in another process' stead each time: what it gave, and what had to be loaded."""

    def show(model: onnx.ModelProto, image: np.ndarray) -> tuple[list[np.ndarray], list[int]]:
        engine = Counting()
        run = Run(Store(tmp_path / "store", 2**30, print), "test", Progress())
        session = remembered_sessions(engine, run)(model.SerializeToString())
        return session.run(None, {"images": image}), engine.loaded

    return show


def image(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (2, 3, 96, 96), dtype=np.uint8)


def copied(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def whole(model: onnx.ModelProto, image: np.ndarray) -> list[np.ndarray]:
    return OnnxRuntimeEngine().session(model.SerializeToString()).run(None, {"images": image})


def same(found: list[np.ndarray], wanted: list[np.ndarray]) -> bool:
    return all(np.array_equal(one, other) for one, other in zip(found, wanted, strict=True))


def test_another_format_runs_no_convolution_again(shown):
    batch, flat = base("batch").model, base("flat").model
    found, loaded = shown(batch, image(0))
    assert same(found, whole(batch, image(0))) and max(loaded) > 50
    for model in (flat, batch):
        found, loaded = shown(model, image(0))
        assert same(found, whole(model, image(0))) and loaded == [0]


def test_another_image_is_shown_to_the_network(shown):
    model = base("flat").model
    shown(model, image(0))
    found, loaded = shown(model, image(1))
    assert same(found, whole(model, image(1))) and max(loaded) > 50


def test_another_weight_is_another_network(shown):
    model, other = base("flat").model, copied(base("flat").model)
    shown(model, image(0))
    bias = next(each for each in other.graph.initializer if each.name.endswith("bias") and each.raw_data)
    bias.raw_data = bytes(len(bias.raw_data))
    found, loaded = shown(other, image(0))
    assert same(found, whole(other, image(0))) and max(loaded) > 50


def test_what_an_artifact_says_of_itself_is_no_part_of_its_network(shown):
    model, other = base("flat").model, copied(base("flat").model)
    shown(model, image(0))
    onnx.helper.set_model_props(other, {"threshold": "0.3"})
    assert shown(other, image(0))[1] == [0]
