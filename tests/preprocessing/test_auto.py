"""What the network is fed: the checkpoint's word, the recipe's, and where they differ."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from exporter.common.errors import RequestError
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.preprocessing.yolo_nas import YoloNas

TRAINED = [
    "ReverseImageChannels",
    {"DetectionLongestMaxSizeRescale": {"output_shape": (448, 448)}},
    {"DetectionBottomRightPadding": {"output_shape": (448, 448), "pad_value": 0}},
    {"ImagePermute": {"permutation": (2, 0, 1)}},
]
OVERRIDES = ["model=yolo_nas_s", "name=a", "output_dir=a"]


def parameters(steps=TRAINED):
    return {"image_processor": {"ComposeProcessing": {"processings": steps}}, "conf": 0.3, "iou": 0.6}


@pytest.fixture
def says(tmp_path):
    """A checkpoint that says how its network was trained; nothing of its weights is looked at before they are loaded."""
    torch.save({"net": {"a": torch.zeros(1)}, "processing_params": parameters()}, tmp_path / "says.pth")
    return f"model.weights={tmp_path / 'says.pth'}"


@pytest.fixture
def silent(tmp_path):
    torch.save({"net": {"a": torch.zeros(1)}}, tmp_path / "silent.pth")
    return f"model.weights={tmp_path / 'silent.pth'}"


def recipe(*overrides, **others):
    return check(compose([*OVERRIDES, *overrides]), **others)


def test_the_checkpoints_word_is_taken(says):
    section = recipe(says, "input.size=auto").request.preprocessing_section()
    assert section.normalization.order == (2, 1, 0)
    assert section.normalization.std == (1.0, 1.0, 1.0)
    assert (section.geometry.height, section.geometry.width) == (448, 448)
    assert (section.geometry.padding.placement, section.geometry.padding.value) == ("bottom_right", 0)
    assert section.name == "declared"
    assert (section.source.normalization, section.source.geometry) == ("checkpoint", "checkpoint")
    assert section.trained.size == (448, 448)


def test_so_are_its_thresholds(says, silent):
    assert recipe(says).nms.confidence_threshold == 0.3
    assert recipe(says).nms.nms_threshold == 0.6
    assert recipe(says, "postprocessing.nms.nms_threshold=0.9").nms.nms_threshold == 0.9
    assert recipe(silent).nms.confidence_threshold == 0.25


def test_metadata_of_safetensors_says_the_same(tmp_path):
    steps = json.dumps(parameters())
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors", {"processing_params": steps})
    assert recipe(f"model.weights={tmp_path / 'a.safetensors'}").preprocessing.channels == "bgr"


def test_silence_is_the_models_usual(silent):
    found = recipe(silent)
    assert found.preprocessing == YoloNas()
    assert found.request.preprocessing_section().source.normalization == "model"


def test_what_contradicts_is_an_error_that_shows_both(says, silent):
    with pytest.raises(RequestError, match=r"RGB 0\.\.1,.*BGR 0\.\.255.*preprocessing\.override=true"):
        recipe(says, "preprocessing=yolo_nas")
    with pytest.raises(RequestError, match="preprocessing=declared"):
        recipe(says, "preprocessing=declared", "preprocessing.max_value=1", "preprocessing.channels=bgr")
    with pytest.raises(RequestError, match=r"preprocessing\.like=ppyoloe"):
        recipe(says, "preprocessing=letterbox", "preprocessing.like=ppyoloe")
    recipe(silent, "preprocessing=ppyoloe")
    recipe(says, "preprocessing=none")


def test_who_insists_is_obeyed_and_who_agrees_is_not_bothered(says):
    assert recipe(says, "preprocessing=yolo_nas", "preprocessing.override=true").preprocessing.normalization == (
        YoloNas().normalization
    )
    same = ["max_value=1", "channels=bgr", "resize=longest_side", "padding=bottom_right", "pad_value=0"]
    recipe(says, "preprocessing=declared", *(f"preprocessing.{override}" for override in same))


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["preprocessing=declared", "preprocessing.max_value=1e-320"], r"std \[.*above 0"),
        (["preprocessing=declared", "preprocessing.mean=[1e10,0,0]"], r"mean \[.*at most 1e\+09"),
        (["preprocessing=declared", "preprocessing.margin=64"], r"preprocessing\.margin=64: an input of 96 × 64"),
        (["preprocessing.margin=64"], r"preprocessing\.margin=64: an input of 96 × 64"),
        (["preprocessing=letterbox", "preprocessing.margin=64"], r"preprocessing\.margin=64: an input of 96 × 64"),
    ],
)
def test_what_leaves_nothing_of_an_image_is_refused(overrides, said, silent):
    with pytest.raises(RequestError, match=said):
        recipe(silent, "input.height=64", "input.width=96", *overrides)


def test_a_geometry_set_by_itself_leaves_the_normalisation(says):
    section = recipe(says, "preprocessing.resize=stretch").request.preprocessing_section()
    assert section.geometry.padding is None
    assert section.normalization.order == (2, 1, 0)
    assert (section.source.normalization, section.source.geometry) == ("checkpoint", "recipe")


@pytest.mark.parametrize(
    ("overrides", "holds"),
    [
        (["preprocessing=declared", "preprocessing.max_value=1"], True),
        (["preprocessing=letterbox", "preprocessing.like=declared", "preprocessing.max_value=1"], True),
        (["preprocessing=letterbox", "preprocessing.like=ppyoloe"], False),
        (["preprocessing=letterbox", "preprocessing.like=ppyoloe", "preprocessing.override=true"], True),
        (["preprocessing=ppyoloe"], False),
        (["preprocessing=ppyoloe", "preprocessing.override=true"], True),
        (["preprocessing=none"], False),
    ],
)
def test_what_is_declared_by_hand_or_insisted_on_is_what_it_is_proved_with(overrides, holds, silent):
    assert recipe(silent, *overrides).preprocessing.holds is holds


def test_letterbox_inside_takes_the_checkpoints(says):
    found = recipe(says, "preprocessing=letterbox", "preprocessing.pad_value=9")
    assert found.preprocessing.normalization.order == (2, 1, 0)
    assert found.preprocessing.geometry(64, 64).padding.value == 9


@pytest.mark.parametrize(("size", "margin"), [(640, 4), (320, 2), (1280, 8)])
def test_a_margin_keeps_its_proportion(tmp_path, size, margin):
    steps = [{"DetectionLongestMaxSizeRescale": {"output_shape": (636, 636)}},
             {"DetectionCenterPadding": {"output_shape": (640, 640), "pad_value": 114}}]  # fmt: skip
    torch.save({"net": {}, "processing_params": parameters(steps)}, tmp_path / "a.pth")
    found = recipe(f"model.weights={tmp_path / 'a.pth'}", f"input.size={size}")
    assert found.preprocessing.geometry(size, size).resize.margin == margin


def test_an_unknown_step_is_named_before_anything_is_loaded(tmp_path):
    torch.save({"net": {}, "processing_params": parameters(["Blur"])}, tmp_path / "a.pth")
    with pytest.raises(RequestError, match="Blur is not known"):
        recipe(f"model.weights={tmp_path / 'a.pth'}")
    with pytest.raises(RequestError, match="Blur is not known"):
        recipe(f"model.weights={tmp_path / 'a.pth'}", "preprocessing=letterbox")
    insists = recipe(f"model.weights={tmp_path / 'a.pth'}", "preprocessing=yolo_nas", "preprocessing.override=true")
    assert insists.request.preprocessing_section().source.normalization == "recipe"
    assert (
        recipe(f"model.weights={tmp_path / 'a.pth'}", "preprocessing=none").request.preprocessing_section().geometry
        is None
    )


def test_manifests_of_0_1_0_are_rebuilt_as_they_were(says):
    assert recipe(says, as_declared=False).preprocessing == YoloNas()
    assert recipe(says, as_declared=False).nms.confidence_threshold == 0.25
    recipe(says, "preprocessing=yolo_nas", as_declared=False)


class Processing(SimpleNamespace):
    """Stands for SuperGradients' objects: a class with that name, and its parameters as attributes."""


def step(name, **fields):
    return type(name, (Processing,), {})(**fields)


def test_a_network_in_memory_says_it_too():
    network = torch.nn.Identity()
    network._image_processor = step("ComposeProcessing", processings=[
        step("DetectionRescale", output_shape=(96, 96)),
        step("NormalizeImage", mean=np.array([[[1.0, 2.0, 3.0]]]), std=np.array([[[4.0, 5.0, 6.0]]])),
    ])  # fmt: skip
    network._class_names, network._default_nms_conf, network._default_nms_iou = ["a", "b"], 0.4, 0.5
    found = recipe("input.size=auto", model=network)
    assert found.preprocessing.normalization.mean == (1.0, 2.0, 3.0)
    assert (found.input.height, found.nms.confidence_threshold, found.nms.nms_threshold) == (96, 0.4, 0.5)
    assert found.request.preprocessing_section().source.normalization == "network"
