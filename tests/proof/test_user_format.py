"""What a user's format gives in the artifact, held against what its code gives for the same detections."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from exporter.graph.core_outputs import INNER
from exporter.preprocessing.normalization import UNCHANGED
from exporter.preprocessing.section import Input, Preprocessing
from exporter.proof.user_format import user_format_errors
from exporter.runtime.onnx_runtime import OnnxRuntimeEngine

SIDE, BATCH, ROWS = 4, 2, 3
DETECTIONS = {
    "num_predictions": np.array([[ROWS]] * BATCH),
    "pred_boxes": np.random.default_rng(0).uniform(100, 640, (BATCH, ROWS, 4)).astype(np.float32),
    "pred_scores": np.zeros((BATCH, ROWS), np.float32),  # how bright each image is, is added
    "pred_classes": np.array([[2_000_000, 0, 1]] * BATCH),  # of so many no float tells one more
}
INPUT = Input(
    name="images",
    dtype="uint8",
    shape=[BATCH, 3, SIDE, SIDE],
    allowed={},
    layout="nchw",
    channels="rgb",
    range=(0, 255),
)
PREPROCESSING = Preprocessing(
    name="test", inside_graph=True, geometry_inside_graph=False, normalization=UNCHANGED, geometry=None
)


class Own:
    """The user's code by itself: some of what it is given, and nothing else."""

    def run(self, inputs):
        _, boxes, scores, classes = inputs
        return {"boxes": boxes, "brightness": scores, "classes": classes, "none": boxes[:, :0]}

    graph = None


def artifact(**other: np.ndarray) -> bytes:
    """The same code inside a graph, but for what it gives: a number is added, an array stands in its place."""
    constants = {f"given_{name}": value for name, value in DETECTIONS.items()}
    constants |= {f"other_{name}": value for name, value in other.items()} | {"axes": np.array([1, 2, 3])}
    node = helper.make_node
    nodes = [node("Identity", [f"given_{name}"], [INNER + name]) for name in DETECTIONS if name != "pred_scores"]
    nodes += [
        node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        node("ReduceMax", ["floats", "axes"], ["bright"], keepdims=0), node("Reshape", ["bright", "column"], ["each"]),
        node("Add", ["given_pred_scores", "each"], [INNER + "pred_scores"]),
    ]  # fmt: skip
    constants["column"] = np.array([BATCH, 1])
    outputs = []
    for name, inner in {"boxes": "pred_boxes", "brightness": "pred_scores", "classes": "pred_classes"}.items():
        value = other.get(name, np.zeros(()))
        nodes.append(
            node("Identity", [f"other_{name}"], [name]) if value.ndim
            else node("Add", [INNER + inner, f"other_{name}"], [name]) if name in other
            else node("Identity", [INNER + inner], [name])
        )  # fmt: skip
        given = value if value.ndim else DETECTIONS[inner]
        outputs.append(helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(given.dtype), given.shape))
    constants["empty"] = np.zeros((BATCH, 0, 4), np.float32)
    nodes.append(node("Identity", ["empty"], ["none"]))
    outputs.append(helper.make_tensor_value_info("none", TensorProto.FLOAT, [BATCH, 0, 4]))
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, [BATCH, 3, SIDE, SIDE])
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "artifact", [images], outputs, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8).SerializeToString()


def grey(*levels: int) -> np.ndarray:
    return np.stack([np.full((SIDE, SIDE, 3), level, np.uint8) for level in levels])


def errors(data: bytes, *groups: np.ndarray):
    return user_format_errors(data, groups or [grey(1, 2)], INPUT, PREPROCESSING, BATCH, Own(), OnnxRuntimeEngine())


@pytest.mark.parametrize(
    ("other", "wrong", "largest"),
    [
        ({}, [], 0),
        ({"boxes": np.float32(1e-3)}, [], 1e-3),  # of 100 pixels and more: rounding
        ({"boxes": DETECTIONS["pred_boxes"] + np.eye(ROWS, 4, dtype=np.float32) * np.float32(1e-3)}, [], 1e-3),
        ({"boxes": np.float32(1e-2)}, ["boxes"], 0),
        ({"brightness": np.float32(5e-5)}, [], 5e-5),
        ({"brightness": np.float32(2e-4)}, ["brightness"], 0),
        ({"classes": np.array([[2_000_001, 0, 1]] * BATCH)}, ["classes"], 0),
        ({"classes": np.int64(1)}, ["classes"], 0),
        ({"brightness": np.float32([[1], [2]])}, ["brightness"], 0),  # the same numbers, once instead of for each row
        ({"classes": np.int64(1), "boxes": np.float32(1)}, ["boxes", "classes"], 0),
        ({"classes": DETECTIONS["pred_classes"].astype(np.int32)}, ["classes"], 0),
        ({"classes": DETECTIONS["pred_classes"][:, :1]}, ["classes"], 0),
    ],
)
def test_what_differs_is_named_and_what_rounds_is_measured(other, wrong, largest):
    found = errors(artifact(**other))
    assert (found.outputs, found.wrong) == (["boxes", "brightness", "classes", "none"], wrong)
    assert found.max_difference == pytest.approx(largest, rel=0.1)


def test_every_group_counts_and_the_largest_difference_of_all():
    """The artifact gives the brightness of two dark images whatever it is shown: 0.00005 off in the first group."""
    constant = artifact(brightness=np.full((BATCH, ROWS), 1.00005, np.float32))
    assert errors(constant, grey(1, 1)).wrong == []
    assert errors(constant, grey(1, 1), grey(2, 2)).wrong == ["brightness"]
    for groups in ([grey(2, 2), grey(1, 1)], [grey(1, 1)]):
        assert errors(constant, *groups).max_difference == pytest.approx(5e-5, rel=0.1)


def test_a_group_of_fewer_images_than_a_batch_is_repeated():
    pair = artifact(brightness=np.repeat(np.float32([[7], [7]]), ROWS, axis=1))
    assert errors(pair, grey(7)).wrong == [] and errors(pair, grey(7, 8)).wrong == ["brightness"]
    three = artifact(brightness=np.repeat(np.float32([[7], [8]]), ROWS, axis=1))
    assert errors(three, grey(7, 8, 9)).wrong == []  # the first of them
