"""FP16: what computes in float16, what does not, and that nothing overflows where a GPU would round.

ONNX Runtime's CPU computes float16 in float32 and rounds only some results, so it would not show an overflow. `rounded`
writes the rounding of every tensor into the graph, as an engine with float16 kernels does it.
"""

import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
import yaml
from hypothesis import given, settings
from onnx import TensorProto, helper, numpy_helper
from onnx_ir.passes.common import RemoveUnusedNodesPass
from torch import nn

from exporter.common.errors import BuildError, RequestError
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.demo.scenes import scene
from exporter.graph.clean import simplify
from exporter.graph.fp16 import nodes_in_fp16, to_fp16
from exporter.graph.trace import trace
from exporter.model import dfl
from exporter.preprocessing.attach_input import attach_input
from exporter.preprocessing.normalization import Normalization
from exporter.proof.prove import torch_outputs
from exporter.quantization.fp16 import Fp16
from exporter.quantization.summary import summarize_fp16
from exporter.quantization.task import Task
from tests.making import attach, prove, traced
from tests.quantization.networks import Builder, by_name, constants, detector, made_images, relative_error, run
from tests.quantization.test_random_networks import networks

ROOT = Path(__file__).parents[2]
BYTES = Normalization(std=(255, 255, 255))
IMAGENET = Normalization(order=(2, 1, 0), mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))
FP16, FLOAT = TensorProto.FLOAT16, TensorProto.FLOAT


def fp16(core, *exclude):
    return Fp16(exclude=exclude).quantize(Task(core, BYTES))


def types(model) -> dict[str, int]:
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    values = (*graph.value_info, *graph.input, *graph.output)
    return {v.name: v.type.tensor_type.elem_type for v in values} | {i.name: i.data_type for i in graph.initializer}


def casts(model) -> list[str]:
    return [node.output[0] for node in model.graph.node if node.op_type == "Cast"]


def rounded(model) -> onnx.ModelProto:
    """The same graph in float32 with every float16 tensor rounded to float16 by a pair of casts."""
    kinds, nodes = types(model), []
    graph = onnx.ModelProto.FromString(model.SerializeToString()).graph
    for node in graph.node:
        if node.op_type == "Cast" and {kinds[node.input[0]], kinds[node.output[0]]} == {FP16, FLOAT}:
            node.op_type = "Identity"  # to float16: rounded below; back: nothing to round
            del node.attribute[:]
        nodes.append(node)
        for i, name in enumerate(node.output):
            if kinds[name] == FP16:
                node.output[i] = f"{name}/exact"
                nodes.append(helper.make_node("Cast", [f"{name}/exact"], [f"{name}/half"], to=FP16))
                nodes.append(helper.make_node("Cast", [f"{name}/half"], [name], to=FLOAT))
    weights = [numpy_helper.from_array(a.astype(np.float32) if a.dtype == np.float16 else a, name) for name, a in constants(model).items()]  # fmt: skip
    return helper.make_model(
        helper.make_graph(nodes, "rounded", graph.input, graph.output, weights),
        opset_imports=model.opset_import, ir_version=8,
    )  # fmt: skip


def assert_close(core, quantized, bound=4e-3, size=16):
    (image,) = made_images(1, size, seed=9)
    for model, optimize in ((quantized, True), (quantized, False), (rounded(quantized), False)):
        for expected, got in zip(run(core, image), run(model, image, optimize=optimize), strict=True):
            assert got.dtype == np.float32 and np.isfinite(got).all()
            assert relative_error(expected, got) < bound


def chain(gains: dict[str, float]) -> onnx.ModelProto:
    """Convolutions a, b, c, d with a Relu after each but the last; the constants named in `gains` times these."""
    b = Builder()
    value, channels = "images", 3
    for name in "abc":
        value, channels = b.conv_relu(name, value, channels, 8), 8
    b.conv("d", value, 8, 4)
    for name, gain in gains.items():
        b.weights[name] = b.weights[name] * np.float32(gain)
    return b.model("d/Conv")


def test_one_region_between_a_cast_in_and_a_cast_before_each_output():
    model, summary, _ = fp16(detector())
    kinds = types(model)
    assert casts(model) == ["images/float16", "heads.reg_pred/Conv", "heads.cls_pred/Conv/float32"]
    assert {node.name for node in model.graph.node if kinds[node.output[0]] == FLOAT} == {
        "heads.reg_pred/Conv/Cast", "heads.cls_pred/Conv/Cast", "heads/Sigmoid",
    }  # fmt: skip
    assert {array.dtype for array in constants(model).values()} == {np.dtype(np.float16)}
    assert constants(model).keys() == constants(detector()).keys()
    assert summary.nodes == {"float16": len(detector().graph.node) - 1, "float32": 1}
    assert summary.left_in_float32 == {}
    assert summary.float16_weights == sum(a.size for a in constants(model).values())
    assert summary.float16_convolutions == 8 and summary.float32_convolutions == 0
    assert_close(detector(), model)


@settings(max_examples=15, deadline=None)
@given(networks())
def test_close_to_float_and_without_needless_casts_whatever_the_network(network):
    core = ir.to_proto(RemoveUnusedNodesPass()(ir.from_proto(network)).model)
    model, *_ = fp16(core)
    onnx.checker.check_model(model, full_check=True)
    assert casts(model) == ["images/float16", "last/Conv"]
    assert_close(core, model, size=8)


def test_an_overflow_stays_in_float32_and_is_listed():
    core = chain({"b.conv.weight": 3e5, "c.conv.weight": 1e-5})
    with np.errstate(all="ignore"):
        everything = to_fp16(core, nodes_in_fp16(core))
        assert not np.isfinite(run(rounded(everything), made_images(1)[0], optimize=False)[0]).all()
    model, summary, _ = fp16(core)
    assert list(summary.left_in_float32) == ["b.conv/Conv", "b/Relu", "c.conv/Conv"]
    assert "float16 is safe to 16376" in summary.left_in_float32["b/Relu"]
    assert casts(model) == ["images/float16", "a/Relu/float32", "c.conv/Conv/float16", "d/Conv"]
    assert (summary.float16_convolutions, summary.float32_convolutions) == (2, 2)
    assert_close(core, model)


def test_weights_beyond_float16_keep_their_node_in_float32():
    b = Builder()
    small = b.conv_relu("a", "images", 3, 8)
    tiny = b.add("Mul", "shrink", small, b.weight("shrink.by", np.float32([1e-3])))
    last = b.conv("b", tiny, 8, 4)
    b.weights["b.weight"][0, 0, 0, 0] = 7e4
    summary = fp16(b.model(last)).summary
    assert summary.left_in_float32 == {"b/Conv": "b.weight reaches 7e+04, float16 is safe to 65504"}


def test_values_too_small_for_float16_stay_in_float32():
    core = chain({"b.conv.weight": 1e-7, "b.conv.bias": 1e-7, "c.conv.weight": 1e7})
    model, summary, _ = fp16(core)
    assert list(summary.left_in_float32) == ["b.conv/Conv", "b/Relu", "c.conv/Conv"]
    assert summary.left_in_float32["b/Relu"].startswith("b.conv/Conv reaches only")
    assert_close(core, model)
    dead = chain({"b.conv.weight": 0, "b.conv.bias": 0})  # all zeros lose nothing
    assert fp16(dead).summary.left_in_float32 == {}


def test_patterns_keep_layers_in_float32():
    model, summary, _ = fp16(detector(), "neck", "heads.stem.conv")
    assert summary.exclude == {
        "neck": ["neck.down.conv/Conv", "neck.down/Relu", "neck.up/ConvTranspose", "neck/Concat"],
        "heads.stem.conv": ["heads.stem.conv/Conv"],
    }
    assert summary.left_in_float32.keys() == {name for names in summary.exclude.values() for name in names}
    assert summary.left_in_float32["heads.stem.conv/Conv"] == "excluded by heads.stem.conv"
    assert constants(model)["neck.up.weight"].dtype == np.float32
    # What only the excluded layers exchange is not cast, nor what they all read more than once.
    assert sorted(casts(model)) == sorted([
        "images/float16", "backbone.block/Add/float32", "backbone.spp/Concat/float32", "heads.stem.conv/Conv/float16",
        "heads.reg_pred/Conv", "heads.cls_pred/Conv/float32",
    ])  # fmt: skip
    assert_close(detector(), model)
    with pytest.raises(RequestError, match=r"quantization\.exclude: 'nek' matches no layer; near ones: neck"):
        fp16(detector(), "nek")
    with pytest.raises(RequestError, match="no layer is left"):
        fp16(detector(), "*")


def test_what_a_last_convolution_in_float32_gives_is_not_rounded_behind_it():
    b = Builder()
    stem = b.conv_relu("stem", "images", 3, 8)
    flat = [b.add("Flatten", f"flat{i}", b.conv(f"pred{i}", stem, 8, 4), axis=2) for i in (1, 2)]
    core = b.model(b.add("Concat", "all", *flat, axis=0))
    assert casts(fp16(core).model) == ["images/float16", "all/Concat"]
    model, summary, _ = fp16(core, "pred1")
    assert casts(model) == ["images/float16", "stem/Relu/float32", "flat2/Flatten/float32"]
    assert summary.left_in_float32 == {
        "pred1/Conv": "excluded by pred1",
        "flat1/Flatten": "reads float32 and only moves it",
        "all/Concat": "reads float32 and only moves it",
    }
    assert_close(core, model)


class Small(dfl.DflDetector):
    """Two levels, decoded."""

    strides = (8, 16)

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=8, padding=1)
        self.down = nn.Conv2d(8, 8, 3, stride=2, padding=1)
        self.boxes, self.classes = nn.Conv2d(8, 4 * dfl.NUM_BINS, 1), nn.Conv2d(8, 2, 1)

    def levels(self, images):
        first = self.stem(images).relu()
        return [(self.boxes(x), self.classes(x)) for x in (first, self.down(first).relu())]


class Decoded(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.inner = Small()

    def forward(self, images):
        return self.inner(images)


def test_decoding_inside_the_core_stays_in_float32():
    core = simplify(trace(Decoded(), 1, 32, 32, 18))
    model, summary, _ = fp16(core)
    kinds, named = types(model), by_name(model)
    assert [output.name for output in model.graph.output] == ["boxes", "scores"]
    in_fp16 = {node.op_type for node in model.graph.node if kinds[node.output[0]] == FP16}
    in_float = {node.op_type for node in model.graph.node if kinds[node.output[0]] == FLOAT}
    assert in_fp16 <= {"Conv", "Relu", "Reshape", "Concat", "Cast"} and {"Softmax", "Sigmoid"} <= in_float
    assert len([node for node in model.graph.node if node.op_type == "Cast"]) == 3
    assert summary.float16_convolutions == 6 and summary.left_in_float32 == {}
    assert all(kinds[name] == FLOAT for node in named.values() if node.op_type in ("Softmax", "Sigmoid") for name in node.input)  # fmt: skip
    assert_close(core, model, size=32)


@pytest.mark.parametrize("turned", [False, True])
def test_a_convolution_that_takes_the_mean_of_a_softmax_decodes(turned):
    b = Builder()
    logits = b.conv("reg", b.conv_relu("stem", "images", 3, 8), 8, 4)
    shares = b.add("Softmax", "dfl", logits, axis=1)
    shares = b.add("Transpose", "turn", shares, perm=[0, 1, 3, 2]) if turned else shares
    assert nodes_in_fp16(b.model(b.conv("mean", shares, 4, 1, kernel=1))) == ["stem.conv/Conv", "stem/Relu", "reg/Conv"]


def test_inputs_that_are_never_float16_keep_their_type():
    b = Builder()
    stem = b.conv_relu("stem", "images", 3, 8)
    scales = b.weight("up.scales", np.float32([1, 1, 2, 2]))
    up = b.add("Resize", "up", stem, "", scales, mode="nearest")
    picked = b.add("Gather", "pick", up, b.weight("pick.which", np.array([0, 1, 2])), axis=1)
    clipped = b.add("Clip", "clip", picked, b.weight("clip.low", np.float32(0)), b.weight("clip.high", np.float32(6)))
    core = b.model(b.conv("last", clipped, 3, 4))
    model = fp16(core).model
    stored = {name: array.dtype for name, array in constants(model).items()}
    assert (stored["up.scales"], stored["pick.which"], stored["clip.high"]) == (np.float32, np.int64, np.float16)
    assert casts(model) == ["images/float16", "last/Conv"]
    assert_close(core, model)


def test_an_operator_that_knows_no_float16_stays_in_float32():
    b = Builder()
    ends = [b.weight(f"ramp.{name}", np.float32(value)) for name, value in (("from", 0), ("to", 16), ("step", 1))]
    shifted = b.add("Add", "shift", b.conv_relu("stem", "images", 3, 8), b.add("Range", "ramp", *ends))
    core = b.model(b.conv("last", shifted, 8, 4))
    model = fp16(core).model
    assert types(model)["ramp/Range"] == FLOAT and types(model)["shift/Add"] == FP16
    assert_close(core, model)


def test_what_several_layers_read_is_cast_once():
    model, *_ = fp16(detector(), "backbone.stem")
    assert casts(model)[:1] == ["backbone.stem/Relu/float16"] and "images/float16" not in casts(model)
    reading = [node.name for node in model.graph.node if "backbone.stem/Relu/float16" in node.input]
    assert reading == ["backbone.block/Mul", "backbone.block.cv1.conv/Conv"] and len(casts(model)) == 3
    assert_close(detector(), model)


def test_a_constant_that_both_precisions_read_is_stored_in_both():
    b = Builder()
    shared = b.weight("shared", np.full((1, 8, 1, 1), 1.1, np.float32))
    one = b.add("Mul", "one", b.conv_relu("stem", "images", 3, 8), shared)
    core = b.model(b.conv("last", b.add("Mul", "two", one, shared), 8, 4))
    stored = constants(fp16(core, "two").model)
    assert stored["shared"].dtype == np.float32 and stored["shared/float16"].dtype == np.float16
    alone = constants(fp16(core).model)
    assert alone["shared"].dtype == np.float16 and "shared/float16" not in alone


@pytest.mark.parametrize("normalization", [BYTES, IMAGENET], ids=["bytes", "imagenet"])
@pytest.mark.parametrize("channels", ["rgb", "bgr"])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float16"])
def test_images_are_normalised_in_float32_before_the_cast(normalization, channels, layout, dtype):
    core = chain({})
    model = attach_input(Fp16().quantize(Task(core, normalization)).model, normalization, dtype, layout, channels)
    onnx.checker.check_model(model, full_check=True)
    kinds = types(model)
    (to_fp16_,) = [node for node in model.graph.node if node.op_type == "Cast" and kinds[node.output[0]] == FP16]
    assert kinds[to_fp16_.input[0]] == FLOAT
    assert all(kinds[n.output[0]] == FLOAT for n in model.graph.node if n.op_type in ("Sub", "Mul"))
    assert "Gather" not in {node.op_type for node in model.graph.node}  # folded through the cast into the weights
    rgb = np.random.default_rng(1).integers(0, 256, (1, 3, 16, 16), dtype=np.uint8)
    given = rgb if channels == "rgb" else rgb[:, ::-1]
    given = given if layout == "nchw" else given.transpose(0, 2, 3, 1)
    (expected,), (got,) = run(core, normalization.apply(rgb)), run(model, np.ascontiguousarray(given.astype(dtype)))
    assert relative_error(expected, got) < 4e-3


def test_broken_weights_name_their_layer():
    b = Builder()
    value = b.conv_relu("stem", "images", 3, 8)
    b.weights["stem.conv.weight"][0, 0, 0, 0] = np.nan
    with pytest.raises(BuildError, match=r"layer stem\.conv/Conv"):
        fp16(b.model(b.conv("last", value, 8, 4)))


@pytest.mark.parametrize("batch", ["batch", 2])
def test_the_core_is_not_changed_and_its_interface_is_kept(batch):
    core = detector(batch=batch)
    before = core.SerializeToString(deterministic=True)
    model = fp16(core).model
    assert core.SerializeToString(deterministic=True) == before
    assert list(model.graph.input) == list(core.graph.input)
    assert [(o.name, o.type.tensor_type.elem_type) for o in model.graph.output] == [
        (o.name, FLOAT) for o in core.graph.output
    ]
    two = np.concatenate(made_images(2))
    for expected, got in zip(run(core, two), run(model, two), strict=True):
        assert relative_error(expected, got) < 4e-3


@pytest.mark.slow
def test_two_processes_give_the_same_bytes():
    program = (
        "import hashlib; from tests.quantization.networks import *; from exporter.quantization.fp16 import Fp16\n"
        "from exporter.preprocessing.yolo_nas import YoloNas; from exporter.quantization.task import Task\n"
        "q = Fp16(exclude=['neck']).quantize(Task(detector(), YoloNas().normalization))\n"
        "print(hashlib.sha256(q.model.SerializeToString()).hexdigest(), q.summary)\n"
    )
    outputs = {
        subprocess.run([sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, cwd=ROOT, capture_output=True, check=True).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(outputs) == 1 and outputs.pop().strip()


def test_the_yaml_holds_every_field_with_its_default():
    written = yaml.safe_load((ROOT / "conf" / "quantization" / "fp16.yaml").read_text(encoding="utf-8"))
    assert written.pop("_target_") == "exporter.quantization.Fp16"
    assert written == Fp16().model_dump(mode="json")


@pytest.fixture(scope="module")
def yolo_nas():
    """The recipe, the network, its core and that in float16, at 96 px."""
    recipe = check(
        compose(
            ["+recipe=yolo_nas_s", "quantization=fp16", "input.size=96", "proof.num_scenes=0", "proof.num_images=2"]
        )
    )
    loaded = recipe.model.load()
    core = traced(recipe)
    return recipe, loaded, core, recipe.quantization.quantize(Task(core, recipe.preprocessing.normalization))


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float16"])
def test_yolo_nas_passes_the_proof_for_every_type_of_input(yolo_nas, dtype):
    _, loaded, _, quantized = yolo_nas
    overrides = [
        "+recipe=yolo_nas_s",
        "quantization=fp16",
        "input.size=96",
        f"input.dtype={dtype}",
        "proof.num_scenes=0",
        "proof.num_images=2",
    ]
    recipe = check(compose(overrides))
    model = recipe.backend.finish(attach(quantized.model, recipe))
    assert (
        prove(model.SerializeToString(), loaded, recipe, partial(torch_outputs, loaded)).postprocessing.unexplained == 0
    )
    kinds = types(model)
    assert all(kinds[name] == FLOAT for name in ("box_logits", "class_logits", "anchors"))
    assert not any(
        FP16 in {kinds.get(v) for v in node.input} for node in model.graph.node if node.name.startswith("nms/")
    )
    facts = dict(summarize_fp16(model))
    assert facts.items() <= dict(quantized.summary).items()  # what `verify` compares


def test_yolo_nas_rounded_everywhere_stays_within_the_bounds(yolo_nas):
    _, _, core, (model, summary, _) = yolo_nas
    assert summary.float16_convolutions == 100 and summary.left_in_float32 == {}
    assert casts(model) == ["images/float16", "box_logits", "class_logits"]
    assert len(model.SerializeToString()) < 0.52 * len(core.SerializeToString())
    image = BYTES.apply(scene("proof", 0, 96, 96).image.transpose(2, 0, 1)[None])
    (boxes, classes, anchors), got = run(core, image), run(rounded(model), image, optimize=False)
    np.testing.assert_array_equal(got[2], anchors)
    decoded = [dfl.decode(torch.from_numpy(x), torch.from_numpy(anchors)).numpy() for x in (boxes, got[0])]
    assert np.abs(decoded[0] - decoded[1]).max() < 3  # pixels
    scores = [1 / (1 + np.exp(-x)) for x in (classes, got[1])]
    assert np.abs(scores[0] - scores[1]).max() < Fp16.bounds["max_score_error"]
    assert np.abs(scores[0] - scores[1]).mean() < Fp16.bounds["mean_score_error"]


# Whole artifacts of both families, for any batch: users of other exporters report FP16 engines of PP-YOLOE that drift, and
# a batch of 2 that gives other boxes than its images do one by one.


@pytest.fixture(scope="module", params=["yolo_nas_s", "ppyoloe_s"])
def whole(request):
    """A function from overrides to the finished artifact, at 96 px."""

    def recipe(*overrides):
        return check(compose([f"+recipe={request.param}", "input.size=96", "input.batch=dynamic", *overrides]))

    core = traced(recipe())
    fp16_core = (
        recipe("quantization=fp16").quantization.quantize(Task(core, recipe().preprocessing.normalization)).model
    )

    def finished(precision, nms):
        asked = recipe(f"quantization={precision}", f"postprocessing/nms={nms}")
        return asked.backend.finish(attach(fp16_core if precision == "fp16" else core, asked))

    return finished


@pytest.mark.slow
@pytest.mark.parametrize("nms", ["none", "onnx", "cluster"])
def test_all_that_decodes_is_in_float32(whole, nms):
    model = whole("fp16", nms)
    kinds, decoded = types(model), {"box_logits", "class_logits"}
    for node in model.graph.node:
        if decoded.intersection(node.input):
            decoded.update(node.output)
    operators = {node.op_type for node in model.graph.node if decoded.intersection(node.output)}
    assert {"Exp", "Div", "ReduceSum", "Sigmoid"} <= operators  # the softmax of the distributions, and the scores
    assert {output.name for output in model.graph.output} <= decoded
    assert FP16 not in {kinds[name] for name in decoded if name in kinds} and kinds["box_logits"] == FLOAT
    assert sum(kind == FP16 for kind in kinds.values()) > 400


@pytest.mark.slow
def test_a_batch_of_two_is_two_batches_of_one_also_rounded(whole):
    images = np.stack([scene("proof", i, 96, 96).image.transpose(2, 0, 1) for i in range(2)])
    model, wanted = rounded(whole("fp16", "none")), run(whole("none", "none"), images, optimize=False)
    both = run(model, images, optimize=False)
    singles = [run(model, images[i : i + 1], optimize=False) for i in range(2)]
    one_by_one = [np.concatenate([single[output] for single in singles]) for output in range(2)]
    seen = wanted[1].max(axis=-1) > 0.1  # where the network sees nothing, a box means nothing
    assert seen.sum() > 10
    for found in (both, one_by_one):
        assert np.abs(found[0] - wanted[0])[seen].max() < 0.1  # pixels
        assert np.abs(found[1] - wanted[1]).max() < Fp16.bounds["max_score_error"]
    assert np.abs(both[0] - one_by_one[0])[seen].max() < 0.05
    assert np.abs(both[1] - one_by_one[1]).max() < 2e-3
