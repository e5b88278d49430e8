"""A graph of dynamic sizes runs on those that it is made for, and on no others."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from exporter.graph.guard_sizes import guard_sizes

LEAST, MOST = 64, 256


def session(shape: list[int | str]) -> ort.InferenceSession:
    """`images` uint8 of this shape, guarded, in two casts: what reads it twice has to be guarded twice."""
    nodes = [helper.make_node("Cast", ["images"], [name], name, to=TensorProto.FLOAT) for name in ("a", "b")]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("a", "b")]
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, shape)
    graph = helper.make_graph(nodes, "core", [images], outputs)
    core = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    model = guard_sizes(core, LEAST, MOST)
    onnx.checker.check_model(model, full_check=True)
    readers = {node.name for node in model.graph.node if "images" in node.input}
    assert readers == {"guard/size", "guard/checked"}  # an engine may drop what nobody needs
    options = ort.SessionOptions()
    options.log_severity_level = 4  # the refusals are what is tested
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


BOTH, NHWC, ONE = (
    session(["batch", 3, "height", "width"]),
    session([2, "height", "width", 3]),
    session([1, 3, "height", 96]),
)
strides = st.integers(1, 10).map(lambda n: 32 * n)
sides = st.one_of(strides, strides, st.tuples(strides, st.integers(-33, 33)).map(lambda pair: max(sum(pair), 1)))


def allowed(side: int) -> bool:
    return LEAST <= side <= MOST and side % 32 == 0


def runs(session: ort.InferenceSession, *shape: int) -> bool:
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    try:
        outputs = session.run(None, {"images": images})
    except Exception as error:  # noqa: BLE001 - ORT raises its own classes
        assert f"Input shape:{{{','.join(map(str, shape))}}}" in str(error)
        return False
    assert all(np.array_equal(output, images) for output in outputs)
    return True


@settings(max_examples=150, deadline=None)
@given(sides, sides, st.integers(1, 3))
def test_both_sides(height, width, batch):
    assert runs(BOTH, batch, 3, height, width) == (allowed(height) and allowed(width))


@settings(max_examples=50, deadline=None)
@given(sides, sides)
def test_channels_last_and_a_fixed_batch(height, width):
    assert runs(NHWC, 2, height, width, 3) == (allowed(height) and allowed(width))


@settings(max_examples=50, deadline=None)
@given(sides)
def test_one_side(height):
    assert runs(ONE, 1, 3, height, 96) == allowed(height)


@pytest.mark.parametrize("size", [(512, 128), (2048, 32), (128, 512), (16, 1024)])
def test_as_many_pixels_are_not_enough(size):
    """Each has the pixels of 256 × 256 or 128 × 128: a check that only counts them would let it pass."""
    assert not runs(BOTH, 1, 3, *size)
