"""Linear layers on integers: which ones, what is stored, and that engines compute what plain numpy does."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from exporter.proof.quantized import pair_problems
from exporter.quantization.int8 import Int8
from exporter.quantization.policy import layers
from exporter.quantization.summary import summarize
from exporter.quantization.task import Task
from exporter.runtime.openvino import OpenVinoEngine
from exporter.runtime.tensorrt.library import installed
from exporter.runtime.tensorrt.network import configured, parsed, serialized
from tests.quantization.networks import Builder, constants, made_images, run

WIDTH, HIDDEN, TOKENS = 12, 20, 16


def transformer(gemm: str | None = None, fill: float | None = None) -> onnx.ModelProto:
    """Patches, one block with attention and four linear layers, and one that predicts. gemm: those four as Gemm, with
    weights "as they are" or "transposed", as networks have them where tokens have two dimensions; fill: all weights."""
    b = Builder(size=16)
    patches = b.conv("patch", "images", 3, WIDTH, kernel=4, strides=[4, 4], group=1)
    b.nodes[-1].attribute.remove(next(a for a in b.nodes[-1].attribute if a.name == "pads"))
    b.weight("tokens.shape", np.array([-1, WIDTH, TOKENS] if gemm is None else [WIDTH, TOKENS]))
    tokens = b.add("Transpose", "tokens", b.add("Reshape", "tokens", patches, "tokens.shape"),
                   perm=[0, 2, 1] if gemm is None else [1, 0])  # fmt: skip

    def linear(module: str, value: str, inputs: int, outputs: int, gemm: str | None = None) -> str:
        weights = b.rng.normal(0, 1, (inputs, outputs)) if fill is None else np.full((inputs, outputs), fill)
        weights[:, 0] *= 4  # a channel of another size than the others
        bias = b.weight(f"{module}.bias", b.rng.normal(0, 0.3, outputs).astype(np.float32))
        if gemm:
            turned = {"transposed": (weights.T, 1), "as they are": (weights, 0)}[gemm]
            b.weight(f"{module}.weight", turned[0].astype(np.float32))
            return b.add("Gemm", module, value, f"{module}.weight", bias, transB=turned[1])
        b.weight(f"{module}.weight", weights.astype(np.float32))
        return b.add("Add", module, b.add("MatMul", module, value, f"{module}.weight"), bias)

    query, key = (linear(f"block.{name}", tokens, WIDTH, WIDTH, gemm) for name in ("query", "key"))
    turned = b.add("Transpose", "block.key", key, perm=[0, 2, 1] if gemm is None else [1, 0])
    attention = b.add("Softmax", "block", b.add("MatMul", "block.attention", query, turned), axis=-1)
    mixed = b.add("MatMul", "block.value", attention, tokens)
    hidden = b.add("Relu", "block.mlp", linear("block.mlp.up", mixed, WIDTH, HIDDEN, gemm))
    return b.model(linear("predict", linear("block.mlp.down", hidden, HIDDEN, WIDTH, gemm), WIDTH, 5))


def named(gemm: str | None) -> list[str]:
    """The layers of the block."""
    operator = "Gemm" if gemm else "MatMul"
    return [f"block.{name}/{operator}" for name in ("query", "key", "mlp.up", "mlp.down")]


def quantize(core: onnx.ModelProto, **fields):
    fields = {"linear_layers": True, "reduce_range": True} | fields
    task = Task(core, images=made_images(4), input_range=(0.0, 1.0), scheme=fields.pop("scheme", "u8s8"))
    return Int8(**fields).quantize(task)


@pytest.mark.parametrize("gemm", [None, "as they are", "transposed"])
def test_what_predicts_stays_in_float_and_so_do_products_of_activations(gemm):
    assert layers(transformer(gemm), [], [], linear_layers=True) == ["patch/Conv", *named(gemm)]
    summary = quantize(transformer(gemm)).summary
    assert summary.linear_layers.model_dump() == {"int8": 4, "float": 1, "left_in_float": ["predict/MatMul"]}
    assert summary.convolutions.int8 == 1


def test_by_default_none_is_quantized():
    model, summary, _ = quantize(transformer(), linear_layers=False, include=["Conv"])
    assert summary.linear_layers.model_dump()["int8"] == 0 and summary.convolutions.int8 == 1
    assert summarize(model).linear_layers.float == 5


@pytest.mark.parametrize("attributes", [{"alpha": 0.5}, {"beta": 2.0}, {"transA": 1}])
def test_a_gemm_that_does_more_is_left_alone(attributes):
    b = Builder(size=4)
    shape = b.weight("shape", np.array([6, 8]) if "transA" not in attributes else np.array([8, 6]))
    rows = b.add("Reshape", "rows", b.conv("stem", "images", 3, 3), shape)
    weights = b.weight("w", np.ones((8, 5), np.float32))
    product = b.add("Gemm", "product", rows, weights, b.weight("c", np.ones(5, np.float32)), **attributes)
    core = b.model(b.add("MatMul", "last", product, b.weight("v", np.ones((5, 2), np.float32))))
    assert layers(core, [], [], linear_layers=True) == ["stem/Conv"]


@pytest.mark.parametrize("gemm", [None, "as they are", "transposed"])
@pytest.mark.parametrize("scheme", ["u8s8", "s8s8"])
@pytest.mark.parametrize("per_channel", [True, False])
def test_each_layer_is_the_product_of_its_integers(gemm, scheme, per_channel):
    """Worked out in numpy from what is stored, of what the layer reads in ONNX Runtime."""
    core = transformer(gemm)
    extra = {"reduce_range": False} if scheme == "s8s8" else {}
    model = quantize(core, scheme=scheme, per_channel=per_channel, bias_correction=False, **extra).model
    stored, nodes = constants(model), {node.name: node for node in core.graph.node}
    image = made_images(1)[0]
    for name in named(gemm):
        node = nodes[name]
        read, weights = node.input[0], stored[f"{node.input[1]}/quantized"].astype(np.float64)
        values, found = run(model, image, read, node.output[0], exact=True)
        turned = node.op_type == "Gemm" and gemm == "transposed"
        scale = stored[f"{node.input[1]}/scale"]
        assert scale.shape == ((weights.shape[0 if turned else 1],) if per_channel else ())
        weights = (weights.T if turned else weights) * scale
        step, zero = stored[f"{read}/scale"], stored[f"{read}/zero_point"].astype(np.float64)
        limits = np.iinfo(stored[f"{read}/zero_point"].dtype)
        integers = np.clip(np.rint(values / step) + zero, limits.min, limits.max)
        bias = 0 if node.op_type == "MatMul" else constants(core)[node.input[2]]
        want = (integers - zero) * step @ weights + bias
        # What is read may itself round the other way, where it lies between two integers.
        np.testing.assert_allclose(found, want, atol=2 * float(step) * np.abs(weights).max(), rtol=1e-5)
        assert np.abs(found - want).mean() < 0.05 * float(step) * np.abs(weights).max()


@pytest.mark.parametrize("gemm", [None, "transposed"])
def test_onnx_runtime_computes_them_on_integers(gemm, tmp_path):
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 3
    ort.InferenceSession(quantize(transformer(gemm)).model.SerializeToString(), options)
    kinds = [node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node]
    assert kinds.count("QGemm" if gemm else "MatMulIntegerToFloat") == 4


def in_openvino(model, image):
    return OpenVinoEngine().session(model.SerializeToString()).run(None, {"images": image})


@pytest.mark.parametrize("gemm", [None, "as they are", "transposed"])
@pytest.mark.parametrize("engine", [run, in_openvino])
def test_nothing_saturates(gemm, engine):
    """Equal weights of one sign are the worst there are, on any CPU."""
    model = quantize(transformer(gemm, fill=0.25)).model
    pairs = np.abs(constants(model)["block.mlp.down.weight/quantized"].astype(int))
    assert pairs.max() <= 64
    white = np.ones_like(made_images(1)[0])
    (exact,) = run(model, white, optimize=False)  # in float, which holds these integers
    (got,) = engine(model, white)
    np.testing.assert_allclose(got, exact, rtol=1e-3, atol=1e-3 * np.abs(exact).max())


@pytest.mark.parametrize("gemm", [None, "transposed"])
def test_nvidias_compiler_takes_them(gemm):
    core = transformer(gemm)
    core.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    model = quantize(core, scheme="s8s8", reduce_range=False).model
    network = parsed(installed("tensorrt_rtx"), model.SerializeToString())
    assert len(serialized(network, configured(network, ["sm86"], None))) > 10_000


def test_a_bias_in_another_scale_is_found():
    model = quantize(transformer("transposed")).model
    assert list(pair_problems(model)) == []
    scale = next(each for each in model.graph.initializer if each.name == "block.mlp.up.bias/scale")
    scale.CopyFrom(onnx.numpy_helper.from_array(2 * onnx.numpy_helper.to_array(scale), scale.name))
    assert any("block.mlp.up/Gemm" in problem for problem in pair_problems(model))


def test_patterns_choose_among_them():
    model = quantize(transformer(), exclude=["block.mlp"]).model
    assert summarize(model).linear_layers.left_in_float == [
        "block.mlp.up/MatMul",
        "block.mlp.down/MatMul",
        "predict/MatMul",
    ]
    assert layers(transformer(), ["predict/MatMul"], [], linear_layers=True) == ["predict/MatMul"]
