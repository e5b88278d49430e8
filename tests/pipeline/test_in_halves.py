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
from tests.graph.test_halves import artifact


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
    return np.random.default_rng(seed).integers(0, 256, (2, 3, 64, 96), dtype=np.uint8)


def whole(model: onnx.ModelProto, image: np.ndarray) -> list[np.ndarray]:
    return OnnxRuntimeEngine().session(model.SerializeToString()).run(None, {"images": image})


def same(found: list[np.ndarray], wanted: list[np.ndarray]) -> bool:
    return all(np.array_equal(one, other) for one, other in zip(found, wanted, strict=True))


FLAT = ["input.batch=dynamic", "postprocessing/format=flat"]


def test_another_threshold_or_format_runs_no_convolution_again(shown, tmp_path):
    batch = artifact(tmp_path, "input.batch=dynamic")
    found, loaded = shown(batch, image(0))
    assert same(found, whole(batch, image(0))) and sorted(loaded) == [0, 3]
    for overrides in (FLAT, [*FLAT, "postprocessing.nms.confidence_threshold=0.6"]):
        model = artifact(tmp_path, *overrides)
        found, loaded = shown(model, image(0))
        assert same(found, whole(model, image(0))) and loaded == [0]


def test_another_image_is_shown_to_the_network(shown, tmp_path):
    model = artifact(tmp_path, *FLAT)
    shown(model, image(0))
    found, loaded = shown(model, image(1))
    assert same(found, whole(model, image(1))) and sorted(loaded) == [0, 3]


def test_another_weight_is_another_network(shown, tmp_path):
    shown(artifact(tmp_path, *FLAT), image(0))
    other = artifact(tmp_path, *FLAT, seed=1)
    found, loaded = shown(other, image(0))
    assert same(found, whole(other, image(0))) and sorted(loaded) == [0, 3]


def test_what_an_artifact_says_of_itself_is_no_part_of_its_network(shown, tmp_path):
    model = artifact(tmp_path, *FLAT)
    shown(model, image(0))
    onnx.helper.set_model_props(model, {"threshold": "0.3"})
    assert shown(model, image(0))[1] == [0]
