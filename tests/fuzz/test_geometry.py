"""Any image to any input and back, as arithmetic and inside the graph: 1 × 1, long and thin, of many megapixels."""

import functools

import numpy as np
import onnxruntime as ort
from hypothesis import strategies as st

from exporter.common.geometry import Geometry
from exporter.common.images import MAX_PIXELS
from exporter.graph.attach_letterbox import attach_letterbox
from tests.fuzz.campaign import fuzz
from tests.graph.test_attach_letterbox import boxes_of_input, kept, made_image

LONGEST = 2**22
"""Pixels of a side: half a pixel of it is the last thing that float32, which boxes are in, can tell."""
sides = (
    st.integers(1, 9)
    | st.integers(1, 8000)
    | st.integers(1, LONGEST)
    | st.sampled_from([1, 2, 31, 29, 56, 2**16, LONGEST])
)
images = st.tuples(sides, sides).filter(lambda size: size[0] * size[1] <= MAX_PIXELS)
multiples = st.integers(1, 8) | st.integers(1, 256)
inputs = st.tuples(multiples, multiples).map(lambda size: (size[0] * 32, size[1] * 32))
parts = st.sampled_from([0.0, 1.0, 0.5]) | st.floats(0, 1)


def geometry(size: tuple[int, int], margin: int, fits: bool) -> Geometry:
    return Geometry.fit(*size, margin=margin, padding=114) if fits else Geometry.stretch(*size)


@fuzz(
    few=100,
    many=5000,
    size=images,
    input=inputs,
    margin=st.integers(0, 31),
    fits=st.booleans(),
    box=st.tuples(parts, parts, parts, parts),
)
def test_boxes_return_to_within_half_a_pixel(size, input, margin, fits, box):
    (h, w), (H, W) = size, input
    inside = geometry(input, margin, fits)
    at = inside.transform(h, w)
    assert 1 <= at.new_height <= H and 1 <= at.new_width <= W
    assert (
        0 <= at.top <= H - at.new_height - at.top <= at.top + 1
        and 0 <= at.left <= W - at.new_width - at.left <= at.left + 1
    )
    given = np.array([box]) * [w, h, w, h]
    on_input = inside.to_input(given, at)
    assert on_input.dtype == np.float32 and (on_input > -0.01).all()
    assert (on_input <= np.array([W, H] * 2) * (1 + 1e-6)).all()
    assert np.abs(inside.to_image(on_input, at, h, w) - given).max() <= 0.5


@fuzz(few=30, many=1500, size=st.tuples(sides, sides), input=inputs, margin=st.integers(0, 31), fits=st.booleans(),
      boxes=st.lists(st.tuples(*[st.floats(width=32)] * 4), max_size=4))  # fmt: skip
def test_whatever_comes_out_is_clipped_to_the_image(size, input, margin, fits, boxes):
    """Boxes that a network might say: NaN stays NaN, all else lies in the image."""
    inside = geometry(input, margin, fits)
    values = np.array(boxes, np.float32).reshape(-1, 4)
    with np.errstate(all="ignore"):
        back = inside.to_image(values, inside.transform(*size), *size)
    assert back.shape == values.shape and (np.isnan(back) == np.isnan(values)).all()
    real = back[np.isfinite(values).all(axis=1)]
    assert (real >= 0).all() and (real <= np.array([size[1], size[0]] * 2, np.float32)).all()


@functools.lru_cache(maxsize=1)
def session(size: tuple[int, int], margin: int, fits: bool) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    model = attach_letterbox(kept(*size), geometry(size, margin, fits))
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


small = st.integers(1, 9) | st.integers(1, 400) | st.sampled_from([31, 29, 56, 50_000])
raw_images = st.tuples(small, small).filter(lambda size: size[0] * size[1] <= 160_000)
small_inputs = st.tuples(st.integers(1, 12), st.integers(1, 12)).map(lambda size: (size[0] * 32, size[1] * 32))


@fuzz(
    few=15,
    many=600,
    input=small_inputs,
    margin=st.sampled_from([0, 4, 4, 31]),
    fits=st.booleans(),
    raw_images=st.lists(raw_images, min_size=1, max_size=4),
)
def test_the_graph_does_as_python(input, margin, fits, raw_images):
    """The same artifact on one raw image after another: pixels as OpenCV makes them, boxes as Python brings them back."""
    inside, boxes = geometry(input, margin, fits), boxes_of_input(*input)[0]
    run = session(input, margin, fits)
    for height, width in raw_images:
        out, scores, _, _ = run.run(None, {"frame": made_image(height, width, smooth=False)})
        place = inside.transform(height, width)
        np.testing.assert_array_equal(out[0], inside.to_image(boxes, place, height, width))
        assert abs(int(scores.max()) - int(inside.apply(made_image(height, width, smooth=False)).max())) <= 1
