"""The geometry inside a graph: pixels as OpenCV makes them, boxes as Python brings them back, for any raw image."""

import functools

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from exporter.common.geometry import Geometry
from exporter.graph.attach_letterbox import attach_letterbox

MAX = 40
SIZES = {"square": (96, 96), "wide": (64, 160), "least": (32, 32)}


def geometry(size: str, fits: bool) -> Geometry:
    return Geometry.fit(*SIZES[size], margin=4, padding=114) if fits else Geometry.stretch(*SIZES[size])


def boxes_of_input(height: int, width: int) -> np.ndarray:
    """Inside, across the borders and beyond them."""
    corners = np.random.default_rng(0).uniform(-0.3, 1.3, (1, MAX, 4)) * [width, height, width, height]
    return corners.astype(np.float32)


def kept(height: int, width: int) -> onnx.ModelProto:
    """As an NMS node gives it; it keeps always the same boxes, and reads the image only for its brightest byte."""
    nodes = [
        helper.make_node("Cast", ["images"], ["pixels"], "cast", to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["pixels"], ["brightest"], "max", keepdims=0),
        helper.make_node("Mul", ["brightest", "ones"], ["kept_scores"], "scores"),
        helper.make_node("Identity", ["boxes"], ["kept_boxes"], "kept"),
        helper.make_node("Identity", ["classes"], ["kept_classes"], "classes_kept"),
        helper.make_node("Identity", ["count"], ["num_kept"], "number"),
    ]
    constants = {
        "boxes": boxes_of_input(height, width), "ones": np.ones((1, MAX), np.float32),
        "classes": np.zeros((1, MAX), np.int64), "count": np.array([[MAX]], np.int64),
    }  # fmt: skip
    outputs = [
        helper.make_tensor_value_info("kept_boxes", TensorProto.FLOAT, [1, MAX, 4]),
        helper.make_tensor_value_info("kept_scores", TensorProto.FLOAT, [1, MAX]),
        helper.make_tensor_value_info("kept_classes", TensorProto.INT64, [1, MAX]),
        helper.make_tensor_value_info("num_kept", TensorProto.INT64, [1, 1]),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, [1, height, width, 3])
    initializers = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "kept", [images], outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


@functools.cache
def session(size: str, fits: bool) -> ort.InferenceSession:
    """The graph, what the detector sees among its outputs."""
    model = attach_letterbox(kept(*SIZES[size]), geometry(size, fits))
    onnx.checker.check_model(model, full_check=True)
    assert [value.name for value in model.graph.input] == ["frame"]
    assert [value.name for value in model.graph.output] == ["kept_boxes", "kept_scores", "kept_classes", "num_kept"]
    model.graph.output.append(onnx.ValueInfoProto(name="images"))
    options = ort.SessionOptions()
    options.log_severity_level = 4
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def made_image(height: int, width: int, smooth: bool) -> np.ndarray:
    """uint8 [height, width, 3]: noise, or waves."""
    if not smooth:
        return np.random.default_rng([height, width]).integers(0, 256, (height, width, 3), np.uint8)
    y, x = np.sin(np.arange(height) / 7), np.sin(np.arange(width) / 5)
    return np.stack([63 * (y[:, None] + x) + 127 + shift for shift in (0, 1, -1)], axis=2).astype(np.uint8)


sides = st.one_of(st.integers(1, 12), st.integers(1, 250))


@settings(max_examples=50, deadline=None)
@given(sides, sides, st.sampled_from(sorted(SIZES)), st.booleans(), st.booleans())
@example(1, 1, "square", True, True)
@example(1, 3000, "wide", True, False)  # the resized raw image would be less than a row high
@example(3000, 1, "wide", True, False)
@example(31, 56, "least", True, False)  # 15.5 rows: half to even
@example(29, 56, "least", True, False)  # 14.5 rows: half to even
@example(96, 96, "square", False, False)  # nothing to resize
@example(540, 960, "square", True, False)
def test_any_raw_image(height, width, size, fits, smooth):
    raw_image, inside = made_image(height, width, smooth), geometry(size, fits)
    boxes, scores, _, _, images = session(size, fits).run(None, {"frame": raw_image})

    expected = inside.apply(raw_image)
    difference = np.abs(images[0].astype(int) - expected)
    assert images.shape == (1, *expected.shape) and images.dtype == np.uint8
    assert difference.max() <= 1
    assert scores.max() == images.max(), "the detector saw another image"

    place = inside.transform(height, width)
    np.testing.assert_array_equal(boxes[0], inside.to_image(boxes_of_input(*SIZES[size])[0], place, height, width))
    assert boxes.min() >= 0 and (boxes[0] <= [width, height] * 2).all()


def test_the_padding_is_where_it_should_be_to_the_pixel():
    inside = geometry("wide", fits=True)
    *_, images = session("wide", True).run(None, {"frame": np.zeros((50, 50, 3), np.uint8)})
    np.testing.assert_array_equal(images[0], inside.apply(np.zeros((50, 50, 3), np.uint8)))


def test_values_are_rounded_and_not_cut_off():
    """OpenCV's own fixed-point rounding differs in an eighth of the values, cutting off would in more than a third."""
    raw_image, inside = made_image(300, 410, smooth=False), geometry("wide", fits=False)
    *_, images = session("wide", False).run(None, {"frame": raw_image})
    assert (images[0] != inside.apply(raw_image)).mean() < 0.2


@pytest.mark.parametrize("shape", [(0, 10, 3), (10, 0, 3), (0, 0, 3), (10, 10, 4), (10, 10, 1)])
def test_what_is_no_raw_image_is_refused(shape):
    with pytest.raises(Exception, match="ONNXRuntimeError"):
        session("square", True).run(None, {"frame": np.zeros(shape, np.uint8)})
