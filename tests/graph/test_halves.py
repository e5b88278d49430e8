"""An artifact in two: put together again it gives what it gives whole."""

import numpy as np
import onnx
import pytest

from exporter.graph.halves import halves
from exporter.proof.tensors import exposed
from exporter.runtime.onnx_runtime import session
from tests.proof.bases import OVERRIDES, base


def fed(model: onnx.ModelProto, seed: int) -> dict[str, np.ndarray]:
    """What it takes: noise in bytes, two images where any number goes."""
    (taken,) = model.graph.input
    sides = [each.dim_value or (2 if not axis else 96) for axis, each in enumerate(taken.type.tensor_type.shape.dim)]
    return {taken.name: np.random.default_rng(seed).integers(0, 256, sides, dtype=np.uint8)}


@pytest.mark.parametrize("name", list(OVERRIDES))
@pytest.mark.parametrize("shows_more", [False, True])
def test_both_halves_together_are_the_artifact(name, shows_more):
    content = base(name).model.SerializeToString()
    content = exposed(content) if shows_more else content
    model = onnx.load_from_string(content)
    feeds, parts = fed(model, 1), halves(model)
    assert parts
    network = session(parts.network.SerializeToString())
    values = dict(zip(parts.between, network.run(list(parts.between), feeds), strict=True))
    rest = session(parts.rest.SerializeToString())
    given = {each.name: (values | feeds)[each.name] for each in rest.get_inputs()}
    for output, got, want in zip(
        model.graph.output, rest.run(None, given), session(content).run(None, feeds), strict=True
    ):
        np.testing.assert_array_equal(got, want, err_msg=output.name)
    assert {node.op_type for node in parts.rest.graph.node}.isdisjoint({"Conv", "ConvTranspose"})
    assert len(parts.network.graph.node) + len(parts.rest.graph.node) >= len(model.graph.node)


def test_without_anything_behind_the_network_there_is_one_part():
    text = (
        '<ir_version: 9, opset_import: ["" : 18]> g (float[1] images) => (float[1] {0}, float[1] {1})'
        " {{ {0} = Neg(images) {1} = Abs(images) }}"
    )
    assert halves(onnx.parser.parse_model(text.format("boxes", "scores"))) is None
    assert halves(onnx.parser.parse_model(text.format("dets", "labels"))) is None
    untyped = onnx.ModelProto()
    untyped.CopyFrom(base("flat").model)
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
