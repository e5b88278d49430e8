"""Small graphs to quantize, and ONNX Runtime to run them."""

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper


class Builder:
    """A core graph, node by node: input `images` float32 [batch, 3, size, size], nodes named `<module>/<Operator>`."""

    def __init__(self, size: int = 16, batch: int | str = "batch", seed: int = 0):
        self.size, self.batch = size, batch
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, np.ndarray] = {}

    def add(self, op: str, module: str, *inputs: str, **attributes) -> str:
        name = f"{module}/{op}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], name, **attributes))
        return name

    def weight(self, name: str, array: np.ndarray) -> str:
        self.weights[name] = array
        return name

    def conv(self, module: str, value: str, inputs: int, outputs: int, kernel: int = 3, **attributes) -> str:
        spread = 1 / np.sqrt(inputs * kernel**2)
        weight = self.rng.normal(0, spread, (outputs, inputs, kernel, kernel)) * self.rng.uniform(
            0.2, 2, (outputs, 1, 1, 1)
        )
        w = self.weight(f"{module}.weight", weight.astype(np.float32))
        b = self.weight(f"{module}.bias", self.rng.normal(0, 0.3, outputs).astype(np.float32))
        return self.add("Conv", module, value, w, b, pads=[kernel // 2] * 4, kernel_shape=[kernel] * 2, **attributes)

    def conv_relu(self, module: str, value: str, inputs: int, outputs: int, kernel: int = 3, **attributes) -> str:
        return self.add("Relu", module, self.conv(f"{module}.conv", value, inputs, outputs, kernel, **attributes))

    def conv_silu(self, module: str, value: str, inputs: int, outputs: int, kernel: int = 3, **attributes) -> str:
        result = self.conv(module, value, inputs, outputs, kernel, **attributes)
        return self.add("Mul", module, result, self.add("Sigmoid", module, result))

    def upsample(self, module: str, value: str, inputs: int, outputs: int, kernel: int = 2, **attributes) -> str:
        spread = 1 / np.sqrt(inputs)
        w = self.weight(
            f"{module}.weight", self.rng.normal(0, spread, (inputs, outputs, kernel, kernel)).astype(np.float32)
        )
        b = self.weight(f"{module}.bias", self.rng.normal(0, 0.3, outputs).astype(np.float32))
        return self.add("ConvTranspose", module, value, w, b, **({"strides": [kernel, kernel]} | attributes))

    def model(self, *outputs: str) -> onnx.ModelProto:
        infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
        images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [self.batch, 3, self.size, self.size])
        initializers = [numpy_helper.from_array(array, name) for name, array in self.weights.items()]
        graph = helper.make_graph(self.nodes, "detector", [images], infos, initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
        model = onnx.shape_inference.infer_shapes(model)
        onnx.checker.check_model(model, full_check=True)
        return model


def detector(size: int = 16, batch: int | str = "batch", gain: float = 0.7) -> onnx.ModelProto:
    """Every structure of YOLO-NAS once: stem, bottleneck with a scaled shortcut, pooling pyramid, upsampling, Concat,
    two last convolutions whose results leave as outputs."""
    b = Builder(size, batch)
    stem = b.conv_relu("backbone.stem", "images", 3, 8, strides=[2, 2])
    scaled = b.add("Mul", "backbone.block", b.weight("backbone.block.alpha", np.array([gain], np.float32)), stem)
    inner = b.conv_relu("backbone.block.cv2", b.conv_relu("backbone.block.cv1", stem, 8, 8), 8, 8)
    block = b.add("Add", "backbone.block", scaled, inner)
    pooled = b.add("MaxPool", "backbone.spp", block, kernel_shape=[5, 5], pads=[2] * 4, strides=[1, 1])
    pyramid = b.add("Concat", "backbone.spp", block, pooled, axis=1)
    deep = b.conv_relu("neck.down", pyramid, 16, 8, strides=[2, 2])
    joined = b.add("Concat", "neck", b.upsample("neck.up", deep, 8, 8), block, axis=1)
    features = b.conv_relu("heads.stem", joined, 16, 8, kernel=1)
    boxes = b.conv("heads.reg_pred", features, 8, 4, kernel=1)
    return b.model(boxes, b.add("Sigmoid", "heads", b.conv("heads.cls_pred", features, 8, 5, kernel=1)))


def made_images(count: int, size: int = 16, seed: int = 1) -> list[np.ndarray]:
    """float32 [1, 3, size, size] in 0..1, smooth, with all of the range in each."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 1, (count, 1, 3, size // 4, size // 4)).astype(np.float32)
    fine = coarse.repeat(4, axis=3).repeat(4, axis=4) * 0.9 + rng.uniform(0, 0.1, (count, 1, 3, size, size))
    return list(fine.astype(np.float32))


def run(
    model: onnx.ModelProto, image: np.ndarray, *tensors: str, optimize: bool = True, exact: bool = False
) -> list[np.ndarray]:
    """The outputs of `model`, or these tensors instead. `exact`: no product saturates, as it does on a CPU without VNNI
    where weights are not made for that."""
    if tensors:
        model = onnx.ModelProto.FromString(model.SerializeToString())
        del model.graph.output[:]
        model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in tensors)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry("session.x64quantprecision", str(int(exact)))
    if not optimize:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(model.SerializeToString(), options).run(None, {"images": image})


def constants(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def operators(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def by_name(model: onnx.ModelProto) -> dict[str, onnx.NodeProto]:
    return {node.name: node for node in model.graph.node}


def relative_error(expected: np.ndarray, got: np.ndarray) -> float:
    """Root mean square of the difference in units of the expected values' spread."""
    return float(np.sqrt(np.mean((expected.astype(np.float64) - got) ** 2)) / expected.std())
