"""Random small networks, of operators that detectors are made of, through every precision: finite, close to float32,
valid ONNX, and only what was asked for is changed."""

from typing import Any

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import TensorProto, numpy_helper

from exporter.common.errors import RequestError
from exporter.preprocessing.normalization import Normalization
from exporter.quantization.fp16 import Fp16
from exporter.quantization.int8 import Int8
from exporter.quantization.int8_fp16 import Int8Fp16
from exporter.quantization.ranges import METHODS
from exporter.quantization.task import Task
from exporter.runtime.onnx_runtime import session
from tests.fuzz.campaign import fuzz
from tests.quantization.networks import Builder, made_images, relative_error

SIZE = 8
BYTES = Normalization(std=(255, 255, 255))
OPERATORS = [
    "conv", "conv", "shared conv", "depthwise", "grouped", "dilated", "down and up", "overlapping up", "shared up", "silu", "hardswish", "leaky", "clip",
    "squeeze", "split", "resize", "pool", "global", "sum of three", "product", "constant", "slice", "identity", "space to depth",
]  # fmt: skip
GAINS = {"plain": [1.0], "uneven": [1.0, 30.0, 0.02], "wild": [1.0, 0.0, 300.0, 1e-6, 1e-30]}


class Network(Builder):
    """With 8 channels of 8 × 8 between its layers. gains: what weights are multiplied by, output channel by channel."""

    def __init__(self, seed: int, gains: list[float]):
        super().__init__(SIZE, 1, seed)
        self.gains = gains

    def gained(self, module: str, value: str, axis: int = 0) -> str:
        weight = self.weights[f"{module}.weight"]
        gain = self.rng.choice(self.gains, [weight.shape[i] if i == axis else 1 for i in range(4)])
        self.weights[f"{module}.weight"] = (weight * gain).astype(np.float32)
        return value

    def layer(self, name: str, operator: str, x: str, other: str, known: list[str]) -> str:
        """8 channels from 8 channels."""
        match operator:
            case "conv":
                return self.gained(f"{name}.conv", self.conv_relu(name, x, 8, 8))
            case "shared conv" if "stem2/Conv" in known:
                return self.add("Relu", name, self.add("Conv", name, x, "stem2.weight", "stem2.bias", pads=[1] * 4))
            case "depthwise" | "grouped":
                groups = 8 if operator == "depthwise" else 2
                w = self.weight(f"{name}.weight", self.rng.normal(0, 0.4, (8, 8 // groups, 3, 3)).astype(np.float32))
                return self.gained(name, self.add("Conv", name, x, w, pads=[1] * 4, group=groups))
            case "dilated":
                w = self.weight(f"{name}.weight", self.rng.normal(0, 0.1, (8, 8, 3, 3)).astype(np.float32))
                return self.gained(name, self.add("Conv", name, x, w, pads=[2] * 4, dilations=[2, 2]))
            case "down and up":
                down = self.conv_relu(f"{name}.down", x, 8, 8, strides=[2, 2])
                return self.upsample(f"{name}.up", down, 8, 8)
            case "overlapping up":
                down = self.conv_relu(f"{name}.down", x, 8, 8, strides=[2, 2])
                return self.upsample(f"{name}.up", down, 8, 8, kernel=4, strides=[2, 2], pads=[1] * 4)
            case "shared up":
                down = self.conv_relu(f"{name}.down", x, 8, 8, strides=[2, 2])
                self.weights.setdefault("up.weight", self.rng.normal(0, 0.3, (8, 8, 2, 2)).astype(np.float32))
                return self.add("ConvTranspose", name, down, "up.weight", strides=[2, 2])
            case "silu":
                return self.add("Mul", name, x, self.add("Sigmoid", name, x))
            case "hardswish":
                return self.add("Mul", name, x, self.add("HardSigmoid", name, x))
            case "leaky":
                return self.add("LeakyRelu", name, x, alpha=0.1)
            case "clip":
                low, high = (self.weight(f"{name}.{end}", np.float32(v)) for end, v in (("low", -1), ("high", 6)))
                return self.add("Clip", name, x, low, high)
            case "squeeze":
                mean = self.add("GlobalAveragePool", name, x)
                return self.add("Mul", name, x, self.add("Sigmoid", name, self.conv(f"{name}.fc", mean, 8, 8, 1)))
            case "split":
                halves = [f"{name}/half{i}" for i in range(2)]
                self.add("Split", name, x, axis=1, num_outputs=2)
                self.nodes[-1].output[:] = halves
                return self.add("Concat", name, *halves[::-1], axis=1)
            case "resize":
                down = self.add("MaxPool", name, x, kernel_shape=[2, 2], strides=[2, 2])
                scales = self.weight("scales", np.float32([1, 1, 2, 2]))
                return self.add("Resize", name, down, "", scales, mode="nearest")
            case "pool":
                return self.add("MaxPool", name, x, kernel_shape=[5, 5], pads=[2] * 4, strides=[1, 1])
            case "global":
                return self.add("Add", name, x, self.add("ReduceMean", name, x, keepdims=1))
            case "sum of three":
                return self.add("Add", name, self.add("Add", f"{name}.a", x, other), x)
            case "product":
                return self.add("Mul", name, self.add("Sigmoid", name, other), x)
            case "constant":
                return self.add(
                    "Add", name, x, self.weight(f"{name}.grid", self.rng.normal(0, 1, (1, 8, 1, 1)).astype(np.float32))
                )
            case "slice":
                ends = [self.weight(f"{name}.{i}", np.int64([i])) for i in (0, 4, 1)]
                return self.add(
                    "Concat", name, *(self.add("Slice", f"{name}.{i}", x, *ends[:2], ends[2]) for i in range(2)), axis=1
                )
            case "space to depth":
                deep = self.add("SpaceToDepth", name, x, blocksize=2)
                return self.add("DepthToSpace", name, deep, blocksize=2)
        return self.add("Identity", name, x)


@st.composite
def networks(draw: st.DrawFn, gains: str) -> onnx.ModelProto:
    b = Network(draw(st.integers(0, 2**16)), GAINS[gains])
    stem = b.conv_relu("stem", "images", 3, 8)
    known = [stem, b.gained("stem2", b.conv("stem2", stem, 8, 8))]
    for i, operator in enumerate(draw(st.lists(st.sampled_from(OPERATORS), min_size=1, max_size=6))):
        x, other = draw(st.sampled_from(known[-2:])), draw(st.sampled_from(known))
        known.append(b.layer(f"layer{i}", operator, x, other, known))
    ends = [b.conv("head.reg", known[-1], 8, 4, 1), b.add("Sigmoid", "head", b.conv("head.cls", known[-1], 8, 5, 1))]
    model = b.model(*ends)
    model.opset_import[0].version, model.ir_version = 19, 9
    onnx.checker.check_model(model, full_check=True)
    return model


def given_task(model: onnx.ModelProto, **settings: Any) -> Task:
    return Task(model, BYTES, (SIZE, SIZE), made_images(3, SIZE), input_range=(0.0, 1.0), **settings)


def answers(model: onnx.ModelProto, image: np.ndarray) -> list[np.ndarray]:
    onnx.checker.check_model(model, full_check=True)
    got = session(model.SerializeToString()).run(None, {"images": image})
    assert all(np.isfinite(each).all() for each in got)
    return got


def on_integers(model: onnx.ModelProto) -> set[str]:
    """The convolutions whose weights come out of a DequantizeLinear."""
    makers = {name: node.op_type for node in model.graph.node for name in node.output}
    layers = [node for node in model.graph.node if node.op_type in ("Conv", "ConvTranspose")]
    return {node.name for node in layers if makers.get(node.input[1]) == "DequantizeLinear"}


def near(model: onnx.ModelProto, quantized: onnx.ModelProto, bound: float) -> None:
    """On an image that nobody has seen before. Scores on average: of logits in the thousands, rounded, a sigmoid makes
    0 where 1 was."""
    (image,) = made_images(1, SIZE, seed=9)
    boxes, scores = zip(answers(model, image), answers(quantized, image), strict=True)
    if boxes[0].std() > 1e-6:
        assert relative_error(*boxes) < bound
    assert np.abs(scores[0] - scores[1]).mean() < bound * max(float(scores[0].std()), 1e-6)


@st.composite
def settings_of_int8(draw: st.DrawFn) -> dict[str, Any]:
    patterns = st.sampled_from(
        [
            (),
            (),
            ("stem",),
            ("stem2",),
            ("layer*",),
            ("head.*",),
            ("Conv",),
            ("ConvTranspose",),
            ("*.up", "stem"),
            ("nothing",),
        ]
    )
    return {
        "per_channel": draw(st.booleans()), "bias_correction": draw(st.booleans()), "reduce_range": draw(st.sampled_from([False, False, True])),
        "include": draw(patterns), "exclude": draw(patterns), "first_n": draw(st.sampled_from([0, 0, 1, 2])), "last_n": draw(st.sampled_from([0, 0, 1, 9])),
    }  # fmt: skip


def asked(model: onnx.ModelProto, node: Int8) -> set[str]:
    """The convolutions that the settings name, those that no engine runs on integers included; told by name alone."""
    layers = [n.name for n in model.graph.node if n.op_type in ("Conv", "ConvTranspose")]

    def matches(name: str, patterns: tuple[str, ...]) -> bool:
        module, kind = name.split("/")
        return any(
            p in (kind, module) or (p == "layer*" and module.startswith("layer")) or (p == "head.*" and module.startswith("head."))
            or (p == "*.up" and module.endswith(".up")) or (p == "stem" and module == "stem.conv") for p in patterns
        )  # fmt: skip

    wanted = [n for n in layers if (matches(n, node.include) if node.include else not n.startswith("head."))]
    wanted = [n for n in wanted if not matches(n, node.exclude)]
    return set(wanted[node.first_n : len(wanted) - node.last_n])


@fuzz(few=6, many=500, gains=st.sampled_from(["plain", "plain", "uneven", "wild"]), data=st.data(), settings=settings_of_int8(),
      method=st.sampled_from(METHODS), percentile=st.sampled_from([99.99, 99.0, 100.0]), scheme=st.sampled_from(["u8s8", "s8s8"]))  # fmt: skip
def test_int8(gains, data, settings, method, percentile, scheme):
    model = data.draw(networks(gains))
    before = model.SerializeToString()
    node = Int8(**settings)
    try:
        quantized, summary, _ = node.quantize(given_task(model, method=method, percentile=percentile, scheme=scheme))
    except RequestError as error:
        assert str(error).startswith(("quantization.", "quantization: ", "calibration: in")), error
        return
    assert model.SerializeToString() == before
    found = on_integers(quantized)
    left = {n.name for n in model.graph.node if n.op_type == "ConvTranspose"} if scheme == "u8s8" else set()
    assert asked(model, node) - left <= found <= asked(model, node)
    assert summary.convolutions.int8 == len(found)
    kinds = {tensor.data_type for tensor in quantized.graph.initializer}
    assert TensorProto.FLOAT16 not in kinds
    if gains != "wild" and method in ("minmax", "mse") and settings["per_channel"]:
        near(model, quantized, 0.4)
    else:
        answers(quantized, made_images(1, SIZE, seed=9)[0])


@fuzz(
    few=3,
    many=200,
    gains=st.sampled_from(["plain", "uneven", "wild"]),
    data=st.data(),
    exclude=st.sampled_from([(), (), ("stem2",), ("Conv",), ("*",)]),
)
def test_fp16(gains, data, exclude):
    model = data.draw(networks(gains))
    try:
        quantized, summary, _ = Fp16(exclude=exclude).quantize(given_task(model))
    except RequestError as error:
        assert "no layer is left" in str(error)
        return
    in_fp16 = {tensor.name for tensor in quantized.graph.initializer if tensor.data_type == TensorProto.FLOAT16}
    assert in_fp16 or summary.float16_convolutions == 0
    if exclude == ("stem2",):
        assert not in_fp16 & {"stem2.weight", "stem2.bias"} or any("shared" in n or "layer" in n for n in in_fp16)
    assert all(
        np.isfinite(numpy_helper.to_array(t)).all()
        for t in quantized.graph.initializer
        if t.data_type == TensorProto.FLOAT16
    )
    near(model, quantized, 0.05)


@fuzz(
    few=3,
    many=200,
    gains=st.sampled_from(["plain", "uneven", "wild"]),
    data=st.data(),
    settings=settings_of_int8(),
    method=st.sampled_from(METHODS),
)
def test_int8_fp16(gains, data, settings, method):
    model = data.draw(networks(gains))
    node = Int8Fp16(**(settings | {"reduce_range": False}))
    try:
        quantized, summary, _ = node.quantize(given_task(model, method=method, scheme="s8s8"))
    except RequestError as error:
        assert "quantization." in str(error) or "calibration: in" in str(error), error
        return
    assert on_integers(quantized) == asked(model, node) and summary.convolutions.int8 == len(on_integers(quantized))
    if gains == "plain" and method in ("minmax", "mse") and settings["per_channel"]:
        near(model, quantized, 0.4)
    else:
        answers(quantized, made_images(1, SIZE, seed=9)[0])
