"""Geometry: the contract's formulas, and from an image to the input and back."""

import json
from fractions import Fraction

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from exporter.common.geometry import Geometry

inputs = st.tuples(st.integers(1, 40), st.integers(1, 40)).map(lambda s: (s[0] * 32, s[1] * 32))
images = st.tuples(st.integers(1, 5000), st.integers(1, 5000))


def yolo_nas(size: tuple[int, int]) -> Geometry:
    return Geometry.fit(*size, margin=4, padding=114)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng([height, width]).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(
    ("image", "size", "placed"),  # placed: new height, new width, top, left; worked out by hand
    [
        ((480, 640), (640, 640), (477, 636, 81, 2)),
        ((640, 480), (640, 640), (636, 477, 2, 81)),
        ((1080, 1920), (320, 640), (316, 562, 2, 39)),
        ((100, 100), (96, 160), (92, 92, 2, 34)),
        ((1, 1), (32, 32), (28, 28, 2, 2)),
        ((10, 10000), (640, 640), (1, 636, 319, 2)),  # 0.636 rows: one
        ((1, 5000), (320, 320), (1, 316, 159, 2)),  # 0.06 rows: still one
        ((31, 56), (32, 32), (16, 28, 8, 2)),  # 15.5 rows: half to even
        ((29, 56), (32, 32), (14, 28, 9, 2)),  # 14.5 rows: half to even
    ],
)
def test_yolo_nas_by_hand(image, size, placed):
    at = yolo_nas(size).transform(*image)
    assert (at.new_height, at.new_width, at.top, at.left) == placed


@given(images, inputs)
def test_fit_is_the_contracts_formula(image, size):
    """r = min((H−4)/h, (W−4)/w); round(h·r) × round(w·r); (H − new_h)//2 above — in exact fractions."""
    (h, w), (H, W) = image, size
    r = min(Fraction(H - 4, h), Fraction(W - 4, w))
    at = yolo_nas(size).transform(h, w)
    for new, exact in ((at.new_height, h * r), (at.new_width, w * r)):
        assert abs(new - max(exact, 1)) <= Fraction(1, 2) + Fraction(1, 10**9)
    assert at.new_height == H - 4 or at.new_width == W - 4
    assert 1 <= at.new_height <= H - 4 and 1 <= at.new_width <= W - 4
    assert at.top == (H - at.new_height) // 2 and at.left == (W - at.new_width) // 2


@given(images, inputs)
def test_stretch_fills_the_input(image, size):
    at = Geometry.stretch(*size).transform(*image)
    assert (at.new_height, at.new_width, at.top, at.left) == (*size, 0, 0)


@given(images, inputs, st.booleans(), st.data())
def test_boxes_come_back(image, size, fits, data):
    """A box drawn in the image, carried to the input by plain proportion and brought back, is where it was."""
    h, w = image
    geometry = yolo_nas(size) if fits else Geometry.stretch(*size)
    at = geometry.transform(h, w)
    x, y = st.floats(0, w, width=32), st.floats(0, h, width=32)
    box = np.array([data.draw(x), data.draw(y), data.draw(x), data.draw(y)])
    proportion = np.array([at.new_width / w, at.new_height / h] * 2)
    back = geometry.to_image((box * proportion + [at.left, at.top] * 2)[None], at, h, w)
    assert back.dtype == np.float32 and back.shape == (1, 4)
    np.testing.assert_allclose(back[0], box, atol=2e-3)


@given(images, inputs)
def test_one_scale_is_within_half_a_pixel(image, size):
    """The original divides both axes by r; each axis's exact scale differs by at most half a pixel of the input."""
    (h, w), (H, W) = image, size
    r = min((H - 4) / h, (W - 4) / w)
    at = yolo_nas(size).transform(h, w)
    assert abs(at.scale_y * h - max(r * h, 1)) <= 0.5 + 1e-6 and abs(at.scale_x * w - max(r * w, 1)) <= 0.5 + 1e-6


@settings(max_examples=30)
@given(st.tuples(st.integers(1, 300), st.integers(1, 300)), inputs.filter(lambda s: max(s) < 700))
def test_apply_resizes_and_pads(pixels, size):
    image = noise(*pixels)
    geometry = yolo_nas(size)
    at = geometry.transform(*pixels)
    got = geometry.apply(image)
    assert got.dtype == np.uint8 and got.shape == (*size, 3)
    inside = np.zeros(size, bool)
    inside[at.top : at.top + at.new_height, at.left : at.left + at.new_width] = True
    assert (got[~inside] == 114).all()
    resized = cv2.resize(image, (at.new_width, at.new_height), interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(got[inside].reshape(resized.shape), resized)


@pytest.mark.parametrize(("pixels", "placed"), [((100, 100), (320, 320)), ((100, 400), (160, 640))])
def test_padding_below_and_to_the_right_leaves_the_image_at_the_corner(pixels, placed):
    geometry = Geometry.fit(320, 640, margin=0, padding=0, placement="bottom_right")
    image = noise(*pixels)
    at, got = geometry.transform(*pixels), geometry.apply(image)
    assert (at.new_height, at.new_width, at.top, at.left) == (*placed, 0, 0)
    assert not got[placed[0] :].any() and not got[:, placed[1] :].any()
    assert np.array_equal(got[: placed[0], : placed[1]], cv2.resize(image, placed[::-1]))


def test_boxes_go_to_the_input_by_hand():
    geometry = yolo_nas((640, 640))
    boxes = geometry.to_input(np.array([[64, 48, 320, 240]]), geometry.transform(480, 640))  # 477 × 636 at 81, 2
    assert boxes.dtype == np.float32
    np.testing.assert_allclose(boxes, [[65.6, 128.7, 320, 319.5]], rtol=1e-6)


def test_a_marked_spot_lands_where_its_box_says():
    """From pixels to boxes: a bright square keeps its box through both geometries."""
    image = np.zeros((300, 500, 3), np.uint8)
    image[60:180, 200:420] = 255
    for geometry in (yolo_nas((320, 640)), yolo_nas((640, 320)), Geometry.stretch(416, 224)):
        y, x = np.nonzero((geometry.apply(image) > 200).all(axis=2))
        box = np.array([[x.min(), y.min(), x.max() + 1, y.max() + 1]])
        at = geometry.transform(300, 500)
        back = geometry.to_image(box, at, 300, 500)
        pixel = max(1 / at.scale_x, 1 / at.scale_y)
        assert abs(back - [200, 60, 420, 180]).max() <= pixel


def test_channels_stay_in_order_and_the_image_stays_as_it_is():
    image = np.zeros((50, 80, 3), np.uint8)
    image[..., 0], image[..., 1] = 250, 90
    before = image.copy()
    for geometry in (yolo_nas((64, 64)), Geometry.stretch(64, 64)):
        assert geometry.apply(image)[32, 32].tolist() == [250, 90, 0]
    assert np.array_equal(image, before)


def test_clipping():
    geometry = Geometry.stretch(100, 100)
    at = geometry.transform(200, 300)
    boxes = np.array([[-10, -20, 150, 170], [10, 20, 30, 40]])
    assert geometry.to_image(boxes, at, 200, 300).tolist() == [[0, 0, 300, 200], [30, 40, 90, 80]]
    assert geometry.to_image(np.zeros((0, 4)), at, 200, 300).shape == (0, 4)


def test_the_description_is_enough():
    """What the manifest holds, read back, does the same."""
    image = noise(123, 77)
    for geometry in (yolo_nas((96, 160)), Geometry.stretch(96, 160)):
        text = json.dumps(geometry.model_dump(mode="json"))
        assert np.array_equal(Geometry.model_validate_json(text).apply(image), geometry.apply(image))
    assert yolo_nas((96, 160)).model_dump(mode="json") == {
        "height": 96,
        "width": 160,
        "resize": {
            "mode": "fit",
            "margin": 4,
            "rounding": "half_to_even",
            "interpolation": "INTER_LINEAR",
            "library": "opencv",
        },
        "padding": {"value": 114, "placement": "center"},
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"resize": {"mode": "fit"}, "padding": None},
        {"resize": {"mode": "stretch"}, "padding": {"value": 114}},
        {"resize": {"mode": "stretch", "margin": 4}, "padding": None},
        {"resize": {"mode": "fit", "margin": 32}, "padding": {"value": 114}},
        {"resize": {"mode": "fit"}, "padding": {"value": 256}},
        {"resize": {"mode": "fill"}, "padding": None},
    ],
)
def test_a_description_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValidationError):
        Geometry.model_validate({"height": 32, "width": 64, **wrong})


def test_an_image_without_pixels():
    with pytest.raises(ValueError, match="0 x 5"):
        yolo_nas((32, 32)).transform(0, 5)
