"""An artifact in two: put together again it gives what it gives whole."""

import numpy as np
import onnx
import pytest

from exporter.config.check import check
from exporter.config.compose import compose
from exporter.graph.halves import halves
from exporter.pipeline.stages.trace import core_graph
from exporter.proof.tensors import exposed
from exporter.runtime.onnx_runtime import session
from tests.making import finished
from tests.model.graphs import saved_detector

KINDS = {
    "batch": ["input.batch=dynamic"],
    "flat": ["input.batch=2", "postprocessing/format=flat"],
    "clipped": ["postprocessing.clip=true"],
    "letterbox": ["preprocessing=letterbox", "preprocessing.like=yolo_nas"],
    "plugin": ["backend=tensorrt", "postprocessing/nms=efficientnms"],
    "cluster": ["postprocessing/nms=cluster"],
    "displaced": ["postprocessing/format=split"],
}


def artifact(folder, *overrides: str, seed: int = 0) -> onnx.ModelProto:
    """A small detector with what the overrides put around it."""
    recipe = check(compose([*saved_detector(folder, seed), *overrides]))
    loaded = recipe.model.load()
    core = core_graph(loaded.network, recipe.export, recipe.input)
    return onnx.load_from_string(finished(core, loaded, recipe))


def fed(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """What it takes: noise in bytes, two images where any number goes, and one of 70 × 70 where any size does."""
    (taken,) = model.graph.input
    dims = taken.type.tensor_type.shape.dim
    sides = [each.dim_value or (70 if len(dims) == 3 else 2) for each in dims]
    return {taken.name: np.random.default_rng(1).integers(0, 256, sides, dtype=np.uint8)}


def hold_together(content: bytes, feeds: dict[str, np.ndarray]) -> None:
    """What the halves of an artifact give one after the other is what the whole gives."""
    model = onnx.load_from_string(content)
    parts = halves(model)
    assert parts
    network = session(parts.network.SerializeToString())
    values = dict(zip(parts.between, network.run(list(parts.between), feeds), strict=True))
    rest = session(parts.rest.SerializeToString())
    given = {each.name: (values | feeds)[each.name] for each in rest.get_inputs()}
    whole = session(content).run(None, feeds)
    for output, got, want in zip(model.graph.output, rest.run(None, given), whole, strict=True):
        np.testing.assert_array_equal(got, want, err_msg=output.name)
    assert "Conv" not in {node.op_type for node in parts.rest.graph.node}


@pytest.mark.parametrize("kind", KINDS)
def test_both_halves_together_are_the_artifact(kind, tmp_path):
    model = artifact(tmp_path, *KINDS[kind])
    content = model.SerializeToString()
    hold_together(content, fed(model))
    hold_together(exposed(content), fed(model))


def test_without_anything_behind_the_network_there_is_one_part(tmp_path):
    text = (
        '<ir_version: 9, opset_import: ["" : 18]> g (float[1] images) => (float[1] {0}, float[1] {1})'
        " {{ {0} = Neg(images) {1} = Abs(images) }}"
    )
    assert halves(onnx.parser.parse_model(text.format("boxes", "scores"))) is None
    assert halves(onnx.parser.parse_model(text.format("dets", "labels"))) is None
    untyped = onnx.ModelProto()
    untyped.CopyFrom(artifact(tmp_path))
    del untyped.graph.value_info[:]
    assert halves(untyped) is None


def test_a_loop_behind_the_network_keeps_what_it_reads_of_the_graph_around_it():
    body = onnx.parser.parse_graph("body (int64 i, bool go, float[1] sum) => (bool still, float[1] more) {"
                                   " still = Identity(go) more = Add(sum, outside) }")  # fmt: skip
    model = onnx.parser.parse_model(
        '<ir_version: 9, opset_import: ["" : 18]> g (float[1] images) => (float[1] out) <float[1] boxes, float[1] scores, int64 three = {3}, bool yes = {1}>'
        " { boxes = Neg(images) scores = Abs(images) outside = Mul(scores, scores) }"
    )
    loop = onnx.helper.make_node("Loop", ["three", "yes", "boxes"], ["out"], body=body)
    model.graph.node.append(loop)
    parts = halves(model)
    assert parts and [node.op_type for node in parts.rest.graph.node] == ["Mul", "Loop"]
    values = {"boxes": np.float32([-2]), "scores": np.float32([2])}
    assert session(parts.rest.SerializeToString()).run(None, values)[0].tolist() == [10.0]  # -2 and three times 2 × 2
