"""A small detector of the contract, and networks made to break under INT8."""

import numpy as np
import onnx
from onnx import numpy_helper

from tests.quantization.networks import Builder

DEPTH = 6


def contract_core(size: int = 32, batch: int | str = 1, depth: int = DEPTH) -> onnx.ModelProto:
    """`boxes` [B, N, 4] and `scores` [B, N, C]: `depth` convolutions in a row, named layer0 …, then a box about every
    pixel of a grid of stride 4. Weights at random: it finds blobs of something."""
    b = Builder(size, batch, seed=3)
    value = b.conv_relu("layer0", "images", 3, 16, strides=[4, 4])
    for i in range(1, depth):
        value = b.conv_relu(f"layer{i}", value, 16, 16)
    grid = size // 4
    y, x = (4.0 * (each + 0.5) for each in np.mgrid[:grid, :grid])
    centres = np.stack([x, y, x, y], axis=-1).reshape(1, -1, 4)
    corners = centres + np.array([-6, -6, 6, 6])
    flat = b.weight("flat", np.array([0, -1, grid * grid], np.int64))

    def rows(module: str, channels: int) -> str:
        planes = b.add("Reshape", module, b.conv(module, value, 16, channels, kernel=1), flat)
        return b.add("Transpose", module, planes, perm=[0, 2, 1])

    b.add("Add", "boxes", rows("reg_pred", 4), b.weight("corners", corners.astype(np.float32)))
    b.add("Sigmoid", "scores", rows("cls_pred", 2))
    for name, gain in (("reg_pred.weight", 3), ("cls_pred.weight", 8)):  # differences of features decide, not the grid
        b.weights[name] -= b.weights[name].mean(axis=1, keepdims=True)
        b.weights[name] *= np.float32(gain)
    b.weights["cls_pred.bias"][:] = 2.6, -0.4  # about every third cell holds something
    for node in b.nodes[-1], next(node for node in b.nodes if node.name == "boxes/Add"):
        node.output[0] = node.name.split("/")[0]
    return b.model("boxes", "scores")


def as_a_set(core: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of a core for one image whose boxes come out by their best score, as an end-to-end head or a DETR gives
    them: any rounding changes the order."""
    copy = onnx.ModelProto.FromString(core.SerializeToString())
    for node in copy.graph.node:
        node.output[:] = [f"unsorted_{name}" if name in ("boxes", "scores") else name for name in node.output]
    make = onnx.helper.make_node
    count = [dim.dim_value for value in core.graph.output for dim in value.type.tensor_type.shape.dim][1]
    constants = {"class_axis": np.array([2]), "all": np.array([count])}
    copy.graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in constants.items())
    copy.graph.node.extend([
        make("ReduceMax", ["unsorted_scores", "class_axis"], ["best"], "sort/ReduceMax", keepdims=0),
        make("TopK", ["best", "all"], ["sorted", "order"], "sort/TopK"),
        make("Squeeze", ["order"], ["places"], "sort/Squeeze"),
        *(make("Gather", [f"unsorted_{name}", "places"], [name], f"sort/Gather_{name}", axis=1) for name in ("boxes", "scores")),
    ])  # fmt: skip
    del copy.graph.value_info[:]
    return onnx.shape_inference.infer_shapes(copy)


def plant(model: onnx.ModelProto, first: str, second: str, channel: int = 0, gain: float = 2.0**10) -> onnx.ModelProto:
    """A copy in which one channel between two convolutions in a row (with a Relu between them) is `gain` times as large:
    the first makes it so, the second takes it back. A power of two: in float nothing changes, not even a rounding. On
    integers the one scale of the tensor leaves nothing of its other channels."""
    planted = onnx.ModelProto.FromString(model.SerializeToString())
    nodes = {node.name: node for node in planted.graph.node}
    tensors = {tensor.name: tensor for tensor in planted.graph.initializer}

    def scale(name: str, index: tuple, factor: float) -> None:
        array = numpy_helper.to_array(tensors[name]).copy()
        array[index] *= np.float32(factor)
        tensors[name].CopyFrom(numpy_helper.from_array(array, name))

    scale(nodes[first].input[1], (channel,), gain)
    scale(nodes[first].input[2], (channel,), gain)
    scale(nodes[second].input[1], (slice(None), channel), 1 / gain)
    return planted
