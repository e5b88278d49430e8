"""Tiny detectors as ONNX graphs, as somebody else might have exported them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CLASSES = 5


def detector(
    batch: int | str = "batch", size: tuple[int | str, int | str] = (64, 96), names: Sequence[str] = ("boxes", "scores"),
    opset: int = 18, swapped: bool = False, seed: int = 0,
) -> onnx.ModelProto:  # fmt: skip
    """A box for each cell of 16 pixels: images [batch, 3, *size] → boxes [batch, N, 4], scores [batch, N, 5].

    names: of the outputs, boxes first; swapped: scores come first. Nodes are named as torch's first exporter does."""
    rng = np.random.default_rng(seed)
    cells = [side // 16 for side in (64, 96)]
    weights = {
        "w1": rng.normal(0, 0.3, (8, 3, 4, 4)),
        "w2": rng.normal(0, 0.2, (8, 8, 4, 4)),
        "w3": rng.normal(0, 0.5, (2 + CLASSES, 8, 1, 1)),
        "b3": np.array([0, 0, *[-0.3] * CLASSES]),
        "centre": 16 * np.stack(np.meshgrid(*(np.arange(n) for n in cells[::-1])), -1).reshape(1, -1, 2) + 8,
        "twelve": np.array(12.0),
        "eight": np.array(8.0),
    }
    shapes = {"rows": np.array([0, 2 + CLASSES, -1]), "parts": np.array([2, CLASSES])}
    node = helper.make_node
    nodes = [
        node("Conv", ["images", "w1"], ["c1"], "/trunk/0/Conv", strides=[4, 4]),
        node("Relu", ["c1"], ["r1"], "/trunk/1/Relu"),
        node("Conv", ["r1", "w2"], ["c2"], "/trunk/2/Conv", strides=[4, 4]),
        node("Relu", ["c2"], ["r2"], "/trunk/3/Relu"),
        node("Conv", ["r2", "w3", "b3"], ["c3"], "/head/Conv"),
        node("Reshape", ["c3", "rows"], ["flat"], "/Reshape"),
        node("Transpose", ["flat"], ["cells"], "/Transpose", perm=[0, 2, 1]),
        node("Split", ["cells", "parts"], ["raw_sides", "logits"], "/Split", axis=2),
        node("Sigmoid", ["raw_sides"], ["unit"], "/Sigmoid"),
        node("Mul", ["unit", "eight"], ["grown"], "/Mul"),
        node("Add", ["grown", "twelve"], ["sides"], "/Add"),
        node("Sub", ["centre", "sides"], ["low"], "/Sub"),
        node("Add", ["centre", "sides"], ["high"], "/Add"),  # two nodes of one name
        node("Concat", ["low", "high"], [names[0]], "", axis=2),  # and one of none
        node("Sigmoid", ["logits"], [names[1]], "/Sigmoid_1"),
    ]
    constants = [numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items()]
    constants += [numpy_helper.from_array(v.astype(np.int64), k) for k, v in shapes.items()]
    number = cells[0] * cells[1]
    outputs = [
        helper.make_tensor_value_info(names[0], TensorProto.FLOAT, [batch, number, 4]),
        helper.make_tensor_value_info(names[1], TensorProto.FLOAT, [batch, number, CLASSES]),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, 3, *size])
    graph = helper.make_graph(nodes, "torch_jit", [images], outputs[::-1] if swapped else outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def saved_detector(folder: Path, seed: int = 0) -> list[str]:
    """The detector as a file there, and the overrides that build it."""
    path = folder / f"core{seed}.onnx"
    onnx.save(detector(seed=seed), path)
    return ["model=onnx", f"model.weights={path}", "input.height=64", "input.width=96", "preprocessing=yolo_nas"]


def edited(model: onnx.ModelProto, **changes: object) -> onnx.ModelProto:
    """A copy with these fields of its graph replaced by lists."""
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    for field, values in changes.items():
        repeated = getattr(copy.graph, field)
        del repeated[:]
        repeated.extend(values)
    return copy


def ended(
    nodes: Sequence[onnx.NodeProto], outputs: Sequence[str] = ("boxes", "scores"), **constants: np.ndarray
) -> onnx.ModelProto:
    """`detector` for one image with other outputs, of rank 3. The nodes, behind it, read "low" and "high" (corners of
    its boxes), "logits", "boxes_of_it" and "scores_of_it"."""
    model = detector(batch=1, names=("boxes_of_it", "scores_of_it"))
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items())
    del model.graph.output[:]
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 3) for name in outputs)
    return model
