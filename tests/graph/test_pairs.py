"""Passes over Q/DQ pairs that change the form of a graph and no value of it."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from exporter.graph.repeat_pairs import repeat_pairs
from exporter.graph.unsigned_pairs import unsigned_pairs
from tests.quantization.networks import made_images, run


def graph(zero_points: tuple[int, int], dtype=np.int8, scales=(0.01, 0.01)) -> onnx.ModelProto:
    """Two pairs at the input and at its negative → MaxPool of one → Concat → Conv with int8 weights."""
    constants = {
        "w": np.random.default_rng(0).integers(-127, 128, (4, 6, 1, 1)).astype(np.int8),
        "ws": np.float32(0.02),
    }
    constants["wz"] = np.int8(0)
    nodes = [helper.make_node("Neg", ["images"], ["b"], "b")]
    for name, value, zero_point, scale in zip("xy", ("images", "b"), zero_points, scales, strict=True):
        constants |= {f"{name}s": np.float32(scale), f"{name}z": dtype(zero_point)}
        parameters = [f"{name}s", f"{name}z"]
        nodes.append(helper.make_node("QuantizeLinear", [value, *parameters], [f"{name}q"], f"{name}q"))
        nodes.append(helper.make_node("DequantizeLinear", [f"{name}q", *parameters], [name], name))
    nodes += [
        helper.make_node("MaxPool", ["x"], ["pooled"], "pooled", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Concat", ["pooled", "y"], ["joined"], "joined", axis=1),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["weight"], "weight"),
        helper.make_node("Conv", ["joined", "weight"], ["out"], "conv"),
    ]
    model = helper.make_model(
        helper.make_graph(
            nodes, "g", [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 16, 16])],
            [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 4, 16, 16])],
            [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", 18)], ir_version=8,
    )  # fmt: skip
    onnx.checker.check_model(model, full_check=True)
    return model


def quantizers(model: onnx.ModelProto) -> list[str]:
    return [node.input[0] for node in model.graph.node if node.op_type == "QuantizeLinear"]


def test_a_pair_is_repeated_behind_what_only_moves_values():
    given = graph((-5, -5))
    changed = repeat_pairs(given)
    onnx.checker.check_model(changed, full_check=True)
    assert quantizers(given) == ["images", "b"] and set(quantizers(changed)) == {"images", "b", "pooled", "joined"}
    for image in made_images(3):
        np.testing.assert_array_equal(run(given, image, optimize=False)[0], run(changed, image, optimize=False)[0])


@pytest.mark.parametrize("different", [{"zero_points": (0, 1)}, {"zero_points": (0, 0), "scales": (0.01, 0.02)}])
def test_not_where_the_parts_differ(different):
    assert "joined" not in quantizers(repeat_pairs(graph(**different)))


def test_not_behind_what_reads_no_pair_or_leaves_the_graph():
    given = graph((-5, -5))
    given.graph.node.insert(0, helper.make_node("Transpose", ["images"], ["turned"], "turned", perm=[0, 1, 3, 2]))
    given.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("turned", "pooled")
    )
    changed = repeat_pairs(given)
    assert set(quantizers(changed)) == {"images", "b"}  # the Concat's parts are no longer all behind pairs


def test_int8_activations_become_uint8_and_weights_stay():
    given = graph((-128, 127))
    changed = unsigned_pairs(given)
    onnx.checker.check_model(changed, full_check=True)
    types = {tensor.name: tensor.data_type for tensor in changed.graph.initializer}
    zero_points = {node.input[2] for node in changed.graph.node if node.op_type == "QuantizeLinear"}
    assert {types[name] for name in zero_points} == {TensorProto.UINT8}
    assert (types["w"], types["wz"]) == (TensorProto.INT8, TensorProto.INT8) and not {"xz", "yz"} & types.keys()
    for image in made_images(3):
        np.testing.assert_array_equal(run(given, image, optimize=False)[0], run(changed, image, optimize=False)[0])


def test_uint8_is_left_as_it_is():
    given = graph((3, 4), dtype=np.uint8)
    changed = unsigned_pairs(given)
    assert list(changed.graph.node) == list(given.graph.node)
    assert {t.name: t.data_type for t in changed.graph.initializer} == {
        t.name: t.data_type for t in given.graph.initializer
    }
