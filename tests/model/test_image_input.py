"""Files that read bytes, or images with their channels last: the same detections from float32 [B, 3, H, W]."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper

from exporter.common.errors import RequestError
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.model.graph_said import said
from exporter.pipeline.stages.trace import core_graph
from exporter.preprocessing.declared import Declared
from exporter.preprocessing.trained import Trained
from tests.model.graphs import detector, edited

BYTES, FLOAT = TensorProto.UINT8, TensorProto.FLOAT


def reading(kind: int, last: bool, first: tuple[str, ...] = ()) -> onnx.ModelProto:
    """The detector behind an image `frame` of this type and layout, which it casts; first: operators before that."""
    model = detector(batch=1)
    nodes, name = [], "frame"
    for i, operator in enumerate((*first, *(["Transpose"] if last else []), "Cast")):
        to = {"Transpose": {"perm": [0, 3, 1, 2]}, "Cast": {"to": FLOAT}}.get(operator, {})
        inputs = [name, name] if operator == "Add" else [name]
        nodes.append(helper.make_node(operator, inputs, [f"before_{i}"], **to))
        name = f"before_{i}"
    nodes[-1].output[0] = "images"
    for i, node in enumerate(model.graph.node):  # ONNX Runtime takes no name twice
        node.name = f"node_{i}"
    value = helper.make_tensor_value_info("frame", kind, [1, 64, 96, 3] if last else [1, 3, 64, 96])
    made = edited(model, node=[*nodes, *model.graph.node], input=[value])
    return onnx.shape_inference.infer_shapes(made)  # as most files say the types of what is inside


def recipe_of(tmp_path, model: onnx.ModelProto, *overrides: str):
    onnx.save(model, tmp_path / "x.onnx")
    return check(
        compose(["model=onnx", f"model.weights={tmp_path / 'x.onnx'}", "input.height=64", "input.width=96", *overrides])
    )


@pytest.mark.parametrize("last", [True, False], ids=["nhwc", "nchw"])
@pytest.mark.parametrize(
    ("kind", "first"),
    [(BYTES, ()), (FLOAT, ()), (BYTES, ("BitwiseNot",)), (BYTES, ("Add",))],
    ids=["uint8", "float32", "computes on bytes", "bytes that overflow"],
)
def test_it_gives_what_the_file_gives(tmp_path, kind, first, last):
    given = reading(kind, last, first)
    recipe = recipe_of(tmp_path, given)
    loaded = recipe.model.load()
    core = core_graph(loaded.network, recipe.export, recipe.input)
    image = np.random.default_rng(0).integers(0, 256, (1, 3, 64, 96), dtype=np.uint8)
    fed = (image.transpose(0, 2, 3, 1) if last else image).astype(helper.tensor_dtype_to_np_dtype(kind))
    want = onnxruntime.InferenceSession(given.SerializeToString()).run(["boxes", "scores"], {"frame": fed})
    got = onnxruntime.InferenceSession(core.SerializeToString()).run(None, {"images": image.astype(np.float32)})
    read = loaded.network(torch.from_numpy(image.astype(np.float32)))
    for part, ours, theirs in zip(want, got, read, strict=True):
        np.testing.assert_allclose(ours, part, atol=1e-4)
        np.testing.assert_array_equal(theirs.numpy(), part)
    changed = "its image in float32 [B, 3, H, W]" in loaded.weights.source
    assert changed == (last or kind == BYTES)
    operators = [node.op_type for node in core.graph.node]
    assert ("Round" in operators) == bool(first)  # what only moves bytes reads floats as they are


def test_what_reads_bytes_is_fed_them_as_they_are(tmp_path):
    usual = Trained(source="model", preprocessing=Declared(mean=(0.5, 0.5, 0.5), channels="bgr", resize="stretch"))
    fed = said(reading(BYTES, True), usual).preprocessing
    assert fed == Declared(max_value=1, channels="bgr", resize="stretch")
    assert said(reading(FLOAT, True), usual).preprocessing == usual.preprocessing
    assert said(reading(BYTES, True), Trained()).preprocessing is None


def test_numbers_in_another_range_than_bytes_are_no_input_of_theirs(tmp_path):
    bytes_in = reading(BYTES, False)
    with pytest.raises(
        RequestError, match=r"^preprocessing=declared: scales images, and .*x.onnx reads bytes, 0\.\.255"
    ):
        recipe_of(tmp_path, bytes_in, "preprocessing=declared")
    recipe_of(tmp_path, bytes_in, "preprocessing=declared", "preprocessing.max_value=1", "preprocessing.channels=bgr")
    recipe_of(tmp_path, reading(FLOAT, False), "preprocessing=declared")


def test_an_image_that_is_an_output_too(tmp_path):
    given = reading(FLOAT, True)
    given.graph.output.append(given.graph.input[0])
    recipe = recipe_of(tmp_path, given)
    assert recipe.model.load().num_classes == 5


@pytest.mark.parametrize("dims", [[1, 64, 96, 1], [1, 1, 64, 96], [1, 64, 96, 4]])
def test_an_image_of_other_channels_is_refused(tmp_path, dims):
    model = detector(batch=1)
    value = helper.make_tensor_value_info("images", FLOAT, dims)
    with pytest.raises(RequestError, match=r"must read one image \[B, 3, H, W\] or .*, and nothing else: export it so"):
        recipe_of(tmp_path, edited(model, input=[value])).model.load()
