"""Processing as checkpoints list it, against the same steps done one by one in numpy and OpenCV."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.common.errors import RequestError
from exporter.preprocessing.ppyoloe import PPYoloE
from exporter.preprocessing.supergradients import declared
from exporter.preprocessing.yolo_nas import YoloNas

MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
PUBLISHED = {
    "yolo_nas": [("DetectionLongestMaxSizeRescale", {"output_shape": (636, 636)}),
                 ("DetectionCenterPadding", {"output_shape": (640, 640), "pad_value": 114}),
                 ("StandardizeImage", {"max_value": 255.0}), ("ImagePermute", {"permutation": (2, 0, 1)})],
    "ppyoloe": [("ReverseImageChannels", {}), ("DetectionRescale", {"output_shape": (640, 640)}),
                ("NormalizeImage", {"mean": MEAN, "std": STD}), ("ImagePermute", {"permutation": (2, 0, 1)})],
}  # fmt: skip


def done(steps, image):
    """uint8 [h, w, 3] RGB → float32 [3, H, W], as the steps' names say."""
    image = image.astype(np.float32)
    for name, parameters in steps:
        height, width = image.shape[:2]
        if name == "ReverseImageChannels":
            image = image[..., ::-1]
        elif name == "StandardizeImage":
            image = image / np.float32(parameters["max_value"])
        elif name == "NormalizeImage":
            image = (image - np.float32(np.ravel(parameters["mean"]))) / np.float32(np.ravel(parameters["std"]))
        elif name == "DetectionRescale":
            image = resized(image, *parameters["output_shape"])
        elif name == "DetectionLongestMaxSizeRescale":
            r = min(parameters["output_shape"][0] / height, parameters["output_shape"][1] / width)
            image = resized(image, round(height * r), round(width * r))
        elif name in ("DetectionCenterPadding", "DetectionBottomRightPadding"):
            high, wide = parameters["output_shape"]
            top, left = ((high - height) // 2, (wide - width) // 2) if "Center" in name else (0, 0)
            canvas = np.full((high, wide, 3), parameters["pad_value"], np.float32)
            canvas[top : top + height, left : left + width] = image
            image = canvas
        elif name == "ImagePermute":
            image = image.transpose(2, 0, 1)
    return image


def resized(image, height, width):
    """On bytes, as the processing begins: OpenCV rounds there."""
    if image.min() >= 0 and (image == image.astype(np.uint8)).all():
        return cv2.resize(image.astype(np.uint8), (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)


@st.composite
def processings(draw):
    size = (96, 96)
    photometric = draw(st.lists(st.sampled_from([
        ("StandardizeImage", {"max_value": 255.0}), ("ReverseImageChannels", {}),
        ("NormalizeImage", {"mean": [[MEAN]], "std": [[STD]]}),
        ("NormalizeImage", {"mean": [0.5, 0.25, 0.125], "std": [0.2, 0.3, 0.4]}),
    ]), max_size=3))  # fmt: skip
    if draw(st.booleans()):
        geometric = [("DetectionRescale", {"output_shape": size})]
    else:
        less = draw(st.sampled_from([0, 2, 4]))
        placed = draw(st.sampled_from(["Center", "BottomRight"]))
        geometric = [
            ("DetectionLongestMaxSizeRescale", {"output_shape": (96 - less, 96 - less)}),
            (f"Detection{placed}Padding", {"output_shape": size, "pad_value": draw(st.sampled_from([0, 114, 255]))}),
        ]
    before = [("ReverseImageChannels", {})] if draw(st.booleans()) else []
    return [*before, *geometric, *photometric, ("ImagePermute", {"permutation": (2, 0, 1)})]


@settings(max_examples=60, deadline=None)
@given(processings(), st.integers(20, 200), st.integers(20, 200), st.integers(0, 99))
def test_what_is_declared_is_what_the_steps_do(steps, height, width, seed):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    node, size = declared(steps)
    assert size == (96, 96)
    got = node.normalization.apply(node.geometry(96, 96).apply(image).transpose(2, 0, 1)[None])[0]
    want = done(steps, image)
    assert got.shape == want.shape
    assert np.abs(got - want).max() <= 1e-4 * max(1.0, np.abs(want).max())


@pytest.mark.parametrize("kind", PUBLISHED)
def test_the_published_ones_are_the_models_own(kind):
    node, size = declared(PUBLISHED[kind])
    own = {"yolo_nas": YoloNas(), "ppyoloe": PPYoloE()}[kind]
    assert size == (640, 640)
    assert node.normalization == own.normalization
    assert node.geometry(640, 640) == own.geometry(640, 640)


def test_padding_behind_the_normalisation_is_brought_back_to_grey():
    steps = [("DetectionLongestMaxSizeRescale", {"output_shape": [64, 64]}), ("StandardizeImage", {"max_value": 255}),
             ("DetectionCenterPadding", {"output_shape": [64, 64], "pad_value": [114 / 255] * 3})]  # fmt: skip
    assert declared(steps)[0].pad_value == 114


def test_padding_to_multiples_is_below_and_right():
    steps = [("DetectionLongestMaxSizeRescale", {"output_shape": [64, 64]}),
             ("DetectionAutoPadding", {"shape_multiple": (32, 32), "pad_value": 7})]  # fmt: skip
    node, size = declared(steps)
    assert (node.padding, node.pad_value, size) == ("bottom_right", 7, (64, 64))


FIT, PAD = ("DetectionLongestMaxSizeRescale", {"output_shape": (64, 64)}), "DetectionCenterPadding"


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([("MyAugmentation", {})], "MyAugmentation is not known"),
        ([("SegmentationRescale", {"scale_factor": 2})], "SegmentationRescale is not known"),
        ([], "never resizes"),
        ([("StandardizeImage", {})], "never resizes"),
        ([FIT], "proportions"),
        ([FIT, (PAD, {"output_shape": (32, 64), "pad_value": 0})], "resizes to"),
        ([FIT, (PAD, {"output_shape": (64, 64), "pad_value": 300})], "grey"),
        ([FIT, (PAD, {"output_shape": (64, 64), "pad_value": []})], "cannot be meant"),
        ([FIT, (PAD, {"pad_value": 1})], "has no output_shape"),
        ([("DetectionRescale", {"output_shape": "wide"})], "cannot be meant"),
        ([("DetectionRescale", {"output_shape": (-1, 5)})], "no size"),
        ([FIT, ("StandardizeImage", {"max_value": 0})], "above 0"),
        ([FIT, ("NormalizeImage", {"mean": [1], "std": [1]})], "three numbers"),
        ([FIT, *[("StandardizeImage", {"max_value": 1e200})] * 2], "above 0"),
        ([FIT, *[("StandardizeImage", {"max_value": 1e-8})] * 2], "above 0"),
        (
            [FIT, ("StandardizeImage", {"max_value": 1e-8}), ("NormalizeImage", {"mean": [1e10] * 3, "std": [1] * 3})],
            "mean",
        ),
        ([FIT, ("NormalizeImage", {"mean": [float("nan")] * 3, "std": [1] * 3})], "no number"),
        ([FIT, ("ImagePermute", {"permutation": (0, 1, 2)})], "channels first"),
        ([FIT, ("ReverseImageChannels", {}), FIT, (PAD, {"output_shape": (64, 64)}), FIT], "before"),
    ],
)
def test_what_is_not_known_is_named(steps, said):
    with pytest.raises(RequestError, match=said) as refused:
        declared(steps)
    assert "preprocessing.override=true" in str(refused.value)
