"""Which nodes are chosen, and what patterns mean."""

import numpy as np
import pytest

from exporter.common.errors import RequestError
from exporter.quantization.policy import carried_along, ends, layers, matching
from tests.quantization.networks import Builder, detector


def test_the_last_convolutions_stay_in_float_by_default():
    chosen = layers(detector(), [], [])
    assert chosen == [n.name for n in detector().graph.node if n.op_type.startswith("Conv") and "pred" not in n.name]


def test_a_last_convolution_that_also_feeds_the_trunk_stays_in_float_too():
    b = Builder()
    early = b.conv("early", b.conv_relu("stem", "images", 3, 8), 8, 8)
    model = b.model(early, b.conv("late", early, 8, 4))
    assert layers(model, [], []) == ["stem.conv/Conv"]


def test_a_convolution_that_takes_the_mean_of_a_softmax_belongs_to_the_decoding():
    b = Builder()
    logits = b.conv("head.reg_pred", b.conv_relu("stem", "images", 3, 8), 8, 4)
    probabilities = b.add("Softmax", "head.dfl", logits, axis=1)
    model = b.model(b.conv("head.dfl", probabilities, 4, 1, kernel=1))
    assert layers(model, [], []) == ["stem.conv/Conv"]


def test_include_says_exactly_what_and_exclude_takes_away():
    model = detector()
    everything = [node.name for node in model.graph.node]
    assert "heads.cls_pred/Conv" in layers(model, everything, [])
    assert layers(model, ["neck.down.conv/Conv", "heads.cls_pred/Conv"], ["neck.down.conv/Conv"]) == [
        "heads.cls_pred/Conv"
    ]
    with pytest.raises(RequestError, match="no convolution is left"):
        layers(model, [], everything)


def test_convolutions_without_constant_weights_are_left_alone():
    b = Builder()
    stem = b.conv_relu("stem", "images", 3, 3)
    dynamic = b.add("Conv", "dynamic", stem, b.add("ReduceMean", "kernel", stem, keepdims=1))  # a weight from the image
    b.weights["kernel.axes"] = np.array([0, 2, 3])
    b.nodes[-2].input.append("kernel.axes")
    model = b.model(b.conv("last", dynamic, 1, 2))
    assert layers(model, [], []) == ["stem.conv/Conv"]


def test_operators_between_go_along_and_those_after_the_last_do_not():
    model = detector()
    got = set(carried_along(model, layers(model, [], []), []))
    operators = {
        "backbone.block/Mul",
        "backbone.block/Add",
        "backbone.spp/MaxPool",
        "backbone.spp/Concat",
        "neck/Concat",
    }
    relus = {node.name for node in model.graph.node if node.op_type == "Relu"}
    assert got == operators | relus
    assert "neck/Concat" not in carried_along(model, layers(model, [], []), ["neck/Concat"])
    negative = detector(gain=-0.7)
    assert set(carried_along(negative, layers(negative, [], []), [])) == got - {"backbone.block/Mul"}


def test_a_relu_behind_a_convolution_in_float_stays_there():
    b = Builder()
    model = b.model(b.conv_relu("last", b.conv_relu("stem", "images", 3, 8), 8, 4))
    assert carried_along(model, layers(model, [], []), []) == ["stem/Relu"]


def test_nothing_goes_along_with_linear_layers():
    b = Builder()
    first = b.add("MatMul", "first", "images", b.weight("first.w", b.rng.normal(size=(16, 16)).astype(np.float32)))
    second = b.weight("second.w", b.rng.normal(size=(16, 16)).astype(np.float32))
    model = b.model(b.add("MatMul", "second", b.add("Relu", "first", first), second))
    assert carried_along(model, ["first/MatMul", "second/MatMul"], []) == []


def test_a_product_of_two_activations_is_not_taken_for_the_last_layer():
    b = Builder()
    value = "images"
    for name in ("first", "second"):
        weights = b.weight(f"{name}.w", b.rng.normal(size=(16, 16)).astype(np.float32))
        value = b.add("MatMul", name, value, weights)
    table = b.add("ReduceMean", "table", "images", b.weight("axes", np.array([0, 1])), keepdims=0)  # [16, 16]
    model = b.model(b.add("MatMul", "product", value, table))
    assert layers(model, [], [], linear_layers=True) == ["first/MatMul"]


def test_a_bias_that_is_left_out_by_an_empty_name_is_none():
    b = Builder()
    stem = b.conv_relu("stem", "images", 3, 8)
    b.nodes[0].input[2] = ""
    model = b.model(b.conv("last", stem, 8, 4))
    assert layers(model, [], []) == ["stem.conv/Conv"]


def test_operators_that_compute_with_constants_stay_in_float():
    b = Builder()
    stem = b.conv_relu("stem", "images", 3, 8)
    shifted = b.add("Add", "shift", stem, b.weight("shift.by", np.float32([0.5])))
    model = b.model(b.conv("last", b.conv_relu("next", shifted, 8, 8), 8, 4))
    assert carried_along(model, layers(model, [], []), []) == ["stem/Relu", "next/Relu"]


def test_slices_of_the_image_itself_go_along():
    b = Builder()
    halves = b.add("SpaceToDepth", "focus", "images", blocksize=2)
    model = b.model(b.conv("last", b.conv_relu("stem", halves, 12, 8), 8, 4))
    assert carried_along(model, layers(model, [], []), []) == ["focus/SpaceToDepth", "stem/Relu"]


@pytest.mark.parametrize(
    "pattern, count",
    [("backbone", 10), ("backbone.*", 10), ("backbone.stem", 2), ("*.cls_pred", 1), ("ConvTranspose", 1), ("Concat", 2),
     ("neck.up/ConvTranspose", 1), ("heads.*", 4), ("heads", 5)],
)  # fmt: skip
def test_patterns_match_modules_names_and_operators(pattern, count):
    assert len(matching(detector(), [pattern], "quantization.exclude")[pattern]) == count


@pytest.mark.parametrize(
    "pattern, near", [("backbone.stm", "backbone.stem"), ("head.*", "heads"), ("Convtranspose", "ConvTranspose")]
)
def test_a_pattern_that_matches_nothing_is_refused_with_near_ones(pattern, near):
    with pytest.raises(RequestError, match=r"quantization\.exclude: .* matches no layer; near ones: .*") as refusal:
        matching(detector(), ["neck", pattern], "quantization.exclude")
    assert near in str(refusal.value) and "\n" not in str(refusal.value)


def test_the_ends_are_counted_among_what_would_be_quantized():
    chosen = layers(detector(), [], [])
    assert ends(chosen, 1, 2) == (["backbone.stem.conv/Conv"], ["neck.up/ConvTranspose", "heads.stem.conv/Conv"])
    assert ends(chosen, 0, 0) == ([], [])
    everything = layers(detector(), [node.name for node in detector().graph.node], [])
    assert ends(everything, 0, 1) == ([], ["heads.cls_pred/Conv"])


@pytest.mark.parametrize("first, last, key", [(6, 0, "first_n=6"), (0, 7, "last_n=7"), (3, 3, "first_n=3")])
def test_ends_that_leave_nothing_are_refused_with_the_number_of_layers(first, last, key):
    with pytest.raises(RequestError, match=rf"quantization\.{key}: 6 layers would be quantized.*at most 5"):
        ends(layers(detector(), [], []), first, last)
