"""Where the pairs stand, what they hold, and that nothing else changes."""

from dataclasses import replace

import numpy as np
import onnx
import pytest

from exporter.common.errors import BuildError
from exporter.quantization.policy import carried_along, layers
from exporter.quantization.qdq import insert, tensors_with_pairs
from exporter.quantization.scheme import S8S8, SCHEMES, U8S8
from tests.quantization.networks import Builder, by_name, constants, detector, made_images, relative_error, run


def quantize(model, scheme=U8S8, leave_out=(), factor=1.0):
    """Everything but the last two convolutions and what follows them, ranges as in one image, times `factor`."""
    names = [n.name for n in model.graph.node if "pred" not in n.name and n.op_type != "Sigmoid"]
    names = [name for name in names if name not in leave_out]
    tensors = tensors_with_pairs(model, names)
    values = run(model, made_images(1)[0], *tensors, optimize=False) if tensors else []
    ranges = {t: (float(v.min()) * factor, float(v.max()) * factor) for t, v in zip(tensors, values, strict=True)}
    return insert(model, names, ranges, scheme), ranges


def test_pairs_stand_after_the_relu_and_after_everything_else_that_is_quantized():
    model = detector()
    names = [node.name for node in model.graph.node]
    got = tensors_with_pairs(model, [name for name in names if "pred" not in name])
    assert "backbone.stem/Relu" in got and "backbone.stem.conv/Conv" not in got
    assert {"images", "backbone.block/Add", "backbone.spp/MaxPool", "neck.up/ConvTranspose", "neck/Concat"} <= set(got)
    assert "backbone.block/Mul" not in got  # the shortcut's factor is in a scale
    assert len(got) == len(set(got))


def test_a_relu_whose_input_has_other_readers_has_a_pair_of_its_own():
    b = Builder()
    value = b.conv("a", "images", 3, 8)
    joined = b.add("Add", "b", b.add("Relu", "a", value), value)
    model = b.model(b.conv("c", joined, 8, 4))
    assert {"a/Conv", "a/Relu"} <= set(tensors_with_pairs(model, [node.name for node in model.graph.node]))


def silu_network():
    b = Builder()
    one = b.conv_silu("one", "images", 3, 8)
    two = b.add("Concat", "two", one, b.conv_silu("branch", one, 8, 8), axis=1)
    gate = b.add("Sigmoid", "gate", b.conv("gate", b.add("GlobalAveragePool", "mean", two), 16, 16, kernel=1))
    gated = b.add("Mul", "gated", two, gate)
    return b.model(b.conv("last", b.conv_relu("three", gated, 16, 8), 8, 4))


def names_of(model, fused):
    chosen = layers(model, [], [])
    return [*chosen, *carried_along(model, chosen, [], fused)]


def test_where_the_engine_fuses_activations_no_pair_stands_before_one():
    model = silu_network()
    got = tensors_with_pairs(model, names_of(model, fused=True), fused=True)
    # What convolutions read, and what only moves: two/Concat is read by float operators alone where no mean reads it.
    assert set(got) == {"images", "one/Mul", "branch/Mul", "two/Concat", "mean/GlobalAveragePool", "gated/Mul"}
    every = tensors_with_pairs(model, names_of(model, fused=False))
    more = {"one/Conv", "one/Sigmoid", "gate/Conv", "gate/Sigmoid", "three/Relu"}
    assert set(every) > set(got) and more <= set(every)


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_fused_activations_are_computed_in_float_and_so_nearer_to_it(scheme):
    model, (image, *_) = silu_network(), made_images(1)
    errors = {}
    for fused in (False, True):
        names = names_of(model, fused)
        tensors = tensors_with_pairs(model, names, fused)
        values = run(model, image, *tensors, optimize=False)
        ranges = {t: (float(v.min()), float(v.max())) for t, v in zip(tensors, values, strict=True)}
        quantized = insert(model, names, ranges, replace(scheme, fused=fused))
        onnx.checker.check_model(quantized, full_check=True)
        errors[fused] = relative_error(run(model, image)[0], run(quantized, image, optimize=False)[0])
        producers = {output: node for node in quantized.graph.node for output in node.output}
        for node in quantized.graph.node:
            if node.op_type == "Conv" and node.name != "last/Conv":
                assert {producers[value].op_type for value in node.input[:2]} == {"DequantizeLinear"}, node.name
            if node.op_type == "Sigmoid":
                assert (producers[node.input[0]].op_type == "Conv") == fused
    assert errors[True] < errors[False]


def test_so_has_a_relu_behind_what_computes_nothing_or_stays_in_float():
    b = Builder()
    pooled = b.add("Relu", "pool", b.add("MaxPool", "pool", b.conv("a", "images", 3, 8), kernel_shape=[3, 3]))
    model = b.model(b.conv("last", b.conv_relu("left", pooled, 8, 8), 8, 4))
    names = [node.name for node in model.graph.node if node.name != "left.conv/Conv"]
    got = tensors_with_pairs(model, names)
    assert got == ["images", "a/Conv", "pool/MaxPool", "pool/Relu", "left.conv/Conv", "left/Relu", "last/Conv"]


def test_only_images_have_pairs():
    b = Builder()
    stem = b.conv_relu("stem", "images", 3, 8)
    same = b.add("Reshape", "same", stem, b.add("Shape", "size", stem))
    model = b.model(b.conv("last", same, 8, 4))
    names = [node.name for node in model.graph.node if node.op_type != "Shape"]
    assert tensors_with_pairs(model, names) == ["images", "stem/Relu", "same/Reshape", "last/Conv"]


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_every_quantized_node_reads_and_writes_integers(scheme):
    quantized, _ = quantize(detector(), scheme)
    nodes = by_name(quantized)
    producers = {output: node for node in quantized.graph.node for output in node.output}
    for node in quantized.graph.node:
        if "pred" in node.name or node.op_type not in ("Conv", "ConvTranspose", "MaxPool", "Concat", "Add"):
            continue
        read = node.input[:2] if node.op_type != "MaxPool" else node.input[:1]
        assert {producers[value].op_type for value in read} == {"DequantizeLinear"}, node.name
        result = node.name.removesuffix(".conv/Conv") + "/Relu" if node.name.endswith(".conv/Conv") else node.name
        assert nodes[f"{result}/QuantizeLinear"].input[0] == result
    assert "backbone.block/Mul" not in nodes


def test_float_layers_read_the_integers_of_quantized_ones_but_the_reals_of_float_ones():
    quantized, _ = quantize(detector(), leave_out=["neck.down.conv/Conv", "neck.down/Relu"])
    nodes = by_name(quantized)
    assert nodes["heads.reg_pred/Conv"].input[0] == "heads.stem/Relu/dequantized"
    assert nodes["neck.down.conv/Conv"].input[0] == "backbone.spp/Concat/dequantized"
    assert nodes["neck.down/Relu"].input[0] == "neck.down.conv/Conv"


def test_names_say_what_is_what():
    quantized, _ = quantize(detector())
    stored, nodes = constants(quantized), by_name(quantized)
    assert stored["backbone.stem/Relu/scale"].dtype == np.float32
    assert stored["backbone.stem/Relu/zero_point"].dtype == np.uint8
    assert stored["backbone.stem.conv.weight/quantized"].dtype == np.int8
    assert stored["backbone.stem.conv.bias/quantized"].dtype == np.int32
    assert list(nodes["backbone.stem/Relu/QuantizeLinear"].output) == ["backbone.stem/Relu/quantized"]
    assert list(nodes["backbone.stem/Relu/DequantizeLinear"].output) == ["backbone.stem/Relu/dequantized"]
    assert "backbone.stem.conv.weight" not in stored


def test_weights_have_a_scale_for_each_output_channel_and_the_bias_the_accumulators():
    quantized, _ = quantize(detector())
    stored, nodes = constants(quantized), by_name(quantized)
    assert stored["neck.up.weight/scale"].shape == (8,)
    axes = {name: nodes[f"{name}.weight/DequantizeLinear"].attribute[0].i for name in ("backbone.stem.conv", "neck.up")}
    assert axes == {"backbone.stem.conv": 0, "neck.up": 1}
    np.testing.assert_array_equal(
        stored["neck.down.conv.bias/scale"], stored["backbone.spp/Concat/scale"] * stored["neck.down.conv.weight/scale"]
    )


def test_tensorrt_gets_zero_zero_points_int8_and_float_biases():
    quantized, _ = quantize(detector(), S8S8)
    stored = constants(quantized)
    zero_points = [array for name, array in stored.items() if name.endswith("/zero_point")]
    assert zero_points and all(array.dtype == np.int8 and not array.any() for array in zero_points)
    assert "backbone.stem.conv.bias" in stored and not any(array.dtype == np.int32 for array in stored.values())


def test_maxpool_and_concat_share_a_scale_but_not_with_values_that_can_be_negative():
    stored = constants(quantize(detector())[0])
    scales = {
        stored[f"{name}/scale"].item() for name in ("backbone.block/Add", "backbone.spp/MaxPool", "backbone.spp/Concat")
    }
    assert len(scales) == 1
    assert stored["neck.up/ConvTranspose/zero_point"] > 0 and stored["backbone.block/Add/zero_point"] == 0
    assert stored["neck/Concat/scale"] != stored["backbone.block/Add/scale"]
    symmetric = constants(quantize(detector(), S8S8)[0])
    assert symmetric["neck/Concat/scale"] == symmetric["backbone.block/Add/scale"]


def test_what_moves_values_that_can_be_negative_shares_their_scale():
    b = Builder()
    signed = b.conv("stem", "images", 3, 8)
    pooled = b.add("MaxPool", "pool", signed, kernel_shape=[3, 3], pads=[1] * 4, strides=[1, 1])
    stored = constants(quantize(b.model(b.conv("last", pooled, 8, 4)))[0])
    for number in ("scale", "zero_point"):
        assert stored[f"pool/MaxPool/{number}"] == stored[f"stem/Conv/{number}"]


def test_a_positive_gain_is_a_scale_and_a_negative_one_stays_an_operation():
    stored, nodes = (f(quantize(detector(gain=0.7))[0]) for f in (constants, by_name))
    assert stored["backbone.block/Mul/scale"] == stored["backbone.stem/Relu/scale"] * np.float32(0.7)
    assert list(nodes["backbone.block/Mul/DequantizeLinear"].input)[::2] == [
        "backbone.stem/Relu/quantized",
        "backbone.stem/Relu/zero_point",
    ]
    model = detector(gain=-0.7)
    quantized, _ = quantize(model, leave_out=["backbone.block/Mul"])
    assert "backbone.block/Mul" in by_name(quantized)
    for expected, got in zip(run(model, made_images(1)[0]), run(quantized, made_images(1)[0]), strict=True):
        assert relative_error(expected, got) < 0.03


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_close_to_float_within_a_bound_that_wrong_scales_break(scheme):
    model, image = detector(), made_images(1)[0]
    expected = run(model, image)

    def worst(quantized):
        return max(relative_error(e, g) for e, g in zip(expected, run(quantized, image), strict=True))

    assert worst(quantize(model, scheme)[0]) < 0.03
    assert worst(quantize(model, scheme, factor=8)[0]) > 0.03
    assert worst(quantize(model, scheme, factor=0.5)[0]) > 0.03
    wrong = quantize(model, scheme)[0]
    scale = next(tensor for tensor in wrong.graph.initializer if tensor.name == "backbone.block/Mul/scale")
    scale.raw_data = (np.frombuffer(scale.raw_data, np.float32) * 1.3).tobytes()
    assert worst(wrong) > 0.03


def test_nothing_given_is_changed():
    model = detector()
    before = model.SerializeToString(deterministic=True)
    quantize(model)
    assert model.SerializeToString(deterministic=True) == before


def test_weights_that_two_layers_share_have_scales_of_their_own():
    b = Builder()
    first = b.conv("a", b.conv_relu("stem", "images", 3, 8), 8, 8)
    second = b.add("Conv", "b", first, "a.weight", "a.bias", pads=[1] * 4, kernel_shape=[3, 3])
    model = b.model(b.add("Relu", "out", second))
    quantized, _ = quantize(model, replace(U8S8, reduced=True))
    assert relative_error(run(model, made_images(1)[0])[0], run(quantized, made_images(1)[0])[0]) < 0.06


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_a_bias_that_is_left_out_by_an_empty_name_is_none(scheme):
    quantized = []
    for bias in ([""], []):
        b = Builder()
        model = b.model(b.conv("head.pred", b.conv_relu("stem", "images", 3, 8), 8, 4))
        del model.graph.node[0].input[2:]
        model.graph.node[0].input.extend(bias)
        quantized.append(quantize(model, scheme)[0])
    one, other = (run(each, made_images(1)[0])[0] for each in quantized)
    np.testing.assert_array_equal(one, other)


def test_broken_weights_are_named():
    b = Builder()
    value = b.conv_relu("stem", "images", 3, 8)
    b.weights["stem.conv.weight"][2, 1] = np.nan
    model = b.model(value)
    with pytest.raises(BuildError, match=r"stem\.conv\.weight: not all values are finite"):
        insert(model, ["stem.conv/Conv", "stem/Relu"], {"images": (0, 1), "stem/Relu": (0, 1)}, U8S8)
