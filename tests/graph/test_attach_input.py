"""The input's normalisation inside the graph against plain numpy, for every dtype, layout and order of channels."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from exporter.preprocessing.attach_input import attach_input
from exporter.preprocessing.normalization import Normalization

BYTES = Normalization(std=(255, 255, 255))
IMAGENET = Normalization(order=(2, 1, 0), mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))


def conv_core(int8: bool = False, scale: float = 1 / 255, zero: np.integer = np.uint8(0)) -> onnx.ModelProto:  # noqa: B008
    """images [batch, 3, 8, 8] → a padded 3×3 convolution; with `int8` behind Q/DQ of that scale and int8 weights."""
    rng = np.random.default_rng(0)
    bias = rng.standard_normal(4).astype(np.float32)
    nodes, initializers, source, weight = [], [numpy_helper.from_array(bias, "b")], "images", "w"
    if int8:
        constants = {
            "s": np.float32(scale), "z": zero, "wq": rng.integers(-127, 128, (4, 3, 3, 3)).astype(np.int8),
            "ws": rng.uniform(0.001, 0.01, 4).astype(np.float32), "wz": np.zeros(4, np.int8),
        }  # fmt: skip
        initializers += [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
        nodes += [
            helper.make_node("QuantizeLinear", ["images", "s", "z"], ["q"], "q"),
            helper.make_node("DequantizeLinear", ["q", "s", "z"], ["x"], "dq"),
            helper.make_node("DequantizeLinear", ["wq", "ws", "wz"], ["w"], "wdq", axis=0),
        ]
        source = "x"
    else:
        initializers.append(numpy_helper.from_array(rng.standard_normal((4, 3, 3, 3)).astype(np.float32), "w"))
    nodes.append(helper.make_node("Conv", [source, weight, "b"], ["y"], "conv", pads=[1, 1, 1, 1]))
    graph = helper.make_graph(
        nodes, "core",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 4, 8, 8])], initializers,
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def run(model: onnx.ModelProto, images: np.ndarray) -> np.ndarray:
    onnx.checker.check_model(model, full_check=True)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"images": images})[0]


@pytest.mark.parametrize("int8", [False, True])
@pytest.mark.parametrize("channels", ["rgb", "bgr"])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float16"])
@pytest.mark.parametrize("normalization", [BYTES, IMAGENET], ids=["bytes", "imagenet"])
def test_the_graph_normalises_as_numpy_does(normalization, dtype, layout, channels, int8):
    core = conv_core(int8)
    rgb = np.random.default_rng(1).integers(0, 256, (2, 3, 8, 8), dtype=np.uint8)
    given = rgb if channels == "rgb" else rgb[:, ::-1]
    given = given if layout == "nchw" else given.transpose(0, 2, 3, 1)
    model = attach_input(core, normalization, dtype, layout, channels)
    got = run(model, np.ascontiguousarray(given.astype(dtype)))
    # An int8 core rounds its input: at a tie the order of two float operations decides, by one step of 1/255.
    assert np.abs(got - run(core, normalization.apply(rgb))).max() < (0.02 if int8 else 2e-5)


def test_bytes_cost_nothing_in_front_of_a_float_core():
    model = attach_input(conv_core(), BYTES, "uint8", "nchw", "bgr")
    assert [node.op_type for node in model.graph.node] == ["Cast", "Conv"]


def test_bytes_enter_an_int8_core_as_they_are():
    core = conv_core(int8=True)
    model = attach_input(core, BYTES, "uint8", "nchw", "bgr")
    assert [node.op_type for node in model.graph.node] == ["DequantizeLinear", "DequantizeLinear", "Conv"]
    rgb = np.random.default_rng(1).integers(0, 256, (1, 3, 8, 8), dtype=np.uint8)
    # The convolution adds the channels in another order: float32 rounding and nothing else.
    assert np.abs(run(model, np.ascontiguousarray(rgb[:, ::-1])) - run(core, BYTES.apply(rgb))).max() < 1e-6


@pytest.mark.parametrize(("scale", "zero"), [(1 / 200, np.uint8(0)), (1 / 255, np.uint8(99)), (1 / 255, np.int8(0))])
@pytest.mark.parametrize("channels", ["rgb", "bgr"])
def test_bytes_that_the_core_counts_otherwise_are_scaled_first(scale, zero, channels):
    core = conv_core(True, scale, zero)
    rgb = np.random.default_rng(1).integers(0, 256, (2, 3, 8, 8), dtype=np.uint8)
    given = np.ascontiguousarray(rgb if channels == "rgb" else rgb[:, ::-1])
    got = run(attach_input(core, BYTES, "uint8", "nchw", channels), given)
    assert np.abs(got - run(core, BYTES.apply(rgb))).max() < 0.02


@pytest.mark.parametrize("channels", ["rgb", "bgr"])
@pytest.mark.parametrize("how", ["computed", "shared", "shared integers"])
def test_weights_that_are_not_the_layers_own_are_left_alone(how, channels):
    """Those that another operator makes, here a Transpose, and those that a second layer reads too."""
    weights = np.random.default_rng(0).standard_normal((3, 3, 3, 3)).astype(np.float32)
    nodes = [helper.make_node("Conv", ["images", "w"], ["x"], "first", pads=[1] * 4),
             helper.make_node("Conv", ["x", "v" if how == "computed" else "w"], ["y"], "second", pads=[1] * 4)]  # fmt: skip
    if how == "computed":
        nodes.insert(0, helper.make_node("Transpose", ["stored"], ["w"], "turned", perm=[1, 0, 2, 3]))
    if how == "shared integers":
        nodes.insert(0, helper.make_node("DequantizeLinear", ["integers", "scale"], ["w"], "read"))
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 8, 8]) for name in ("images", "y")]
    stored = {"w": weights} if how == "shared" else {"stored": weights, "v": weights}
    if how == "shared integers":
        stored = {"integers": (40 * weights).astype(np.int8), "scale": np.float32(1 / 40)}
    initializers = [numpy_helper.from_array(np.asarray(array), name) for name, array in stored.items()]
    graph = helper.make_graph(nodes, "core", infos[:1], infos[1:], initializers)
    core = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    rgb = np.random.default_rng(1).integers(0, 256, (1, 3, 8, 8), dtype=np.uint8)
    given = np.ascontiguousarray(rgb if channels == "rgb" else rgb[:, ::-1])
    got = run(attach_input(core, BYTES, "uint8", "nchw", channels), given)
    np.testing.assert_allclose(got, run(core, BYTES.apply(rgb)), atol=1e-4)


def test_a_mean_is_not_folded_because_of_the_padding():
    model = attach_input(conv_core(), IMAGENET, "uint8", "nchw", "rgb")
    assert [node.op_type for node in model.graph.node] == ["Cast", "Sub", "Conv"]


def test_the_core_is_left_as_it_was():
    core = conv_core()
    before = core.SerializeToString(deterministic=True)
    attach_input(core, IMAGENET, "uint8", "nhwc", "bgr")
    assert core.SerializeToString(deterministic=True) == before
