"""`preprocessing=custom`: a user's own module or function in front of the network."""

from functools import partial

import numpy as np
import onnx
import pytest
import torch

from exporter.common.errors import BuildError, RequestError
from exporter.common.geometry import Geometry
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.graph import facts
from exporter.pipeline.stages.trace import core_graph
from exporter.preprocessing.custom import CustomPreprocessing
from exporter.preprocessing.own_normalization import UserNormalization
from exporter.preprocessing.trained import Trained
from exporter.preprocessing.yolo_nas import YoloNas
from exporter.proof.prove import torch_outputs
from exporter.runtime.onnx_runtime import session
from tests.making import attach, finished, prove
from tests.model.graphs import detector
from tests.preprocessing import user_code

OWN = "tests.preprocessing.user_code"
SIZE = ["input.height=64", "input.width=96"]


def node(name: str, like="yolo_nas", **arguments) -> CustomPreprocessing:
    return CustomPreprocessing(target=f"{OWN}.{name}", arguments=arguments, like=like)


@pytest.fixture(scope="module")
def core_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("core") / "core.onnx"
    onnx.save(detector(), path)
    return path


def recipe_of(core_file, name: str, *overrides: str):
    code = ["preprocessing=custom", f"preprocessing._target_={OWN}.{name}", "trust=tests", "proof.num_images=1"]
    return check(compose(["model=onnx", f"model.weights={core_file}", *SIZE, *code, *overrides]))


def formula(name: str, rgb: np.ndarray) -> np.ndarray:
    mean = np.array([10, 20, 30], np.float32).reshape(1, 3, 1, 1)
    x = rgb.astype(np.float32)
    return {"FromTheMean": (mean - x) / 50, "Unchanged": x}.get(name, (x - mean) / 50)


OTHER = ["input.dtype=float16", "input.layout=nhwc", "input.channels=bgr", "input.batch=dynamic"]


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("normalise", []),
        ("normalise", OTHER),
        ("FromTheMean", OTHER),  # a minus that the folding of channels must not take for (x - mean)
        pytest.param("FromTheMean", [], marks=pytest.mark.slow),
        pytest.param("Normalise", [], marks=pytest.mark.slow),
        pytest.param("Normalise", OTHER, marks=pytest.mark.slow),
        pytest.param("Unchanged", [], marks=pytest.mark.slow),
        pytest.param("Unchanged", OTHER, marks=pytest.mark.slow),
    ],
)
def test_the_graph_computes_the_code_and_then_the_network(core_file, name, overrides):
    recipe = recipe_of(core_file, name, *overrides, "postprocessing/nms=none")
    network = recipe.model.load().network
    model = attach(core_graph(network, recipe.export, recipe.input), recipe)
    onnx.checker.check_model(model, full_check=True)
    rgb = np.random.default_rng(0).integers(0, 256, (2 if overrides else 1, 3, 64, 96), dtype=np.uint8)
    given = rgb[:, ::-1].transpose(0, 2, 3, 1).astype(np.float16) if overrides else rgb
    described = facts.tensor(model.graph.input[0])
    assert described["shape"] == (["batch", 64, 96, 3] if overrides else [1, 3, 64, 96])
    boxes, scores = session(model.SerializeToString()).run(None, {"images": np.ascontiguousarray(given)})
    want_boxes, want_scores = network(torch.from_numpy(formula(name, rgb)))
    assert np.abs(boxes - want_boxes.numpy()).max() < 1e-3
    assert np.abs(scores - want_scores.numpy()).max() < 1e-4
    assert np.abs(recipe.preprocessing.normalization.apply(rgb) - formula(name, rgb)).max() < 1e-5


def test_attributes_and_arguments_reach_the_code():
    rgb = np.full((1, 3, 4, 4), 60, np.uint8)
    for code in (node("Normalise", scale=25.0), node("normalise", scale=25.0)):
        assert code.normalization.apply(rgb)[0, 0, 0, 0] == 2.0


@pytest.mark.slow
def test_the_proof_runs_the_code_by_itself(core_file):
    recipe = recipe_of(core_file, "Normalise")
    loaded = recipe.model.load()
    core = core_graph(loaded.network, recipe.export, recipe.input)
    assert (
        prove(finished(core, loaded, recipe), loaded, recipe, partial(torch_outputs, loaded)).network.max_score_error
        < 1e-4
    )
    other = recipe_of(core_file, "Normalise", "+preprocessing.scale=60.0")
    with pytest.raises(BuildError, match="max_score_error"):
        prove(finished(core, loaded, other), loaded, recipe, partial(torch_outputs, loaded))


def test_calibration_goes_through_the_code(core_file):
    overrides = ["quantization=int8", "calibration=demo", "calibration.num_images=1"]
    recipe = recipe_of(core_file, "Normalise", "preprocessing.like=ppyoloe", *overrides)
    geometry = recipe.preprocessing.geometry(64, 96)
    assert geometry == Geometry.stretch(64, 96)
    (image,) = recipe.calibration.images(geometry, recipe.preprocessing.normalization)
    assert image.shape == (1, 3, 64, 96) and image.dtype == np.float32
    assert image.min() >= -0.6 and 2 < image.max() <= 4.9  # (0 - 30) / 50 and (255 - 10) / 50


def test_the_geometry_is_the_models_own():
    assert node("Normalise", like="auto").resolved(Trained(source="model", preprocessing=YoloNas())).geometry(
        64, 96
    ) == YoloNas().geometry(64, 96)
    assert node("Normalise", like="auto").resolved(Trained()).geometry(64, 96) is None


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("Gone", {}, r"preprocessing\._target_=tests\.preprocessing\.user_code\.Gone: cannot be made"),
        ("Normalise", {"rubbish": 1}, "cannot be made: .*rubbish"),
        ("normalise", {"rubbish": 1}, "has no attribute rubbish: it has .*scale"),
        ("nothing", {}, "gives a str: let it be a torch.nn.Module or an onnxscript function"),
        ("areas", {}, "takes 4 tensors"),
        ("Broken", {}, r"fails on float32 \[1, 3, 8, 8\]: ValueError: not today"),
        ("Halved", {}, r"gives float32 \[1, 3, 4, 4\] for float32 \[1, 3, 8, 8\]"),
        ("Two", {}, r"gives float32 \[1, 3, 8, 8\], float32 \[1, 3, 8, 8\] for"),
    ],
)
def test_code_that_cannot_be_one_is_refused(name, arguments, said):
    with pytest.raises(RequestError, match=said) as raised:
        node(name, **arguments).normalization.apply(np.zeros((1, 3, 8, 8), np.uint8))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["Undecided", "Halved", "Two"])
def test_code_that_cannot_stand_in_front_is_refused(core_file, name):
    recipe = recipe_of(core_file, name)
    core = core_graph(recipe.model.load().network, recipe.export, recipe.input)
    with pytest.raises(RequestError, match=rf"preprocessing\._target_={OWN}\.{name}"):
        attach(core, recipe)


def test_it_is_not_made_before_it_is_trusted(core_file):
    with pytest.raises(RequestError, match=rf"preprocessing\._target_={OWN}\.Normalise: not allowed.*trust=tests"):
        recipe_of(core_file, "Normalise", "trust=[]")


def test_read_from_a_manifest_it_is_a_name():
    described = UserNormalization.model_validate({"code": "mine.Normalise"})
    with pytest.raises(RequestError, match="only a build can apply it"):
        described.apply(np.zeros((1, 3, 8, 8), np.uint8))


def test_nothing_of_the_users_own_object_is_kept():
    made = node("Normalise").normalization
    assert made.model_dump() == {"code": f"{OWN}.Normalise"}
    assert isinstance(user_code.Normalise().mean, torch.Tensor)
