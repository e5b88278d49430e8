"""A Softmax over another axis, moved to the last one: bit for bit the same."""

import itertools

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.graph.last_softmax import last_softmax
from tests.quantization.networks import operators


def run(model: onnx.ModelProto, x: np.ndarray) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return list(map(np.asarray, session.run(None, {"x": x})))


def graph(body: str, outputs: str = "float[d,e,f,g] y") -> onnx.ModelProto:
    return onnx.parser.parse_model(
        f'<ir_version: 8, opset_import: ["" : 18]> g (float[1,a,b,c] x) => ({outputs}) {{{body}}}'
    )


@given(st.sampled_from(list(itertools.permutations(range(4)))), st.integers(-4, 3))
def test_bits_stay(perm, axis):
    given = graph(f"t = Transpose<perm = {list(perm)}>(x) s = Softmax<axis = {axis}>(t) y = Neg(s)")
    moved = last_softmax(given)
    (softmax,) = (node for node in moved.graph.node if node.op_type == "Softmax")
    assert onnx.helper.get_node_attr_value(softmax, "axis") in (-1, 3)
    onnx.checker.check_model(moved, full_check=True)
    x = np.random.default_rng(0).normal(0, 3, (1, 3, 4, 5)).astype(np.float32)
    np.testing.assert_array_equal(run(moved, x)[0], run(given, x)[0])


def test_what_else_reads_the_transpose_reads_it_still():
    given = graph(
        "t = Transpose<perm = [0, 2, 1, 3]>(x) y = Softmax<axis = 1>(t) z = Neg(t)",
        "float[d,e,f,g] y, float[h,i,j,k] z",
    )
    moved = last_softmax(given)
    assert sorted(operators(moved)) == ["Neg", "Softmax", "Transpose", "Transpose", "Transpose"]
    assert [output.name for output in moved.graph.output] == ["y", "z"]
    x = np.random.default_rng(0).normal(0, 3, (1, 3, 4, 5)).astype(np.float32)
    for ours, theirs in zip(run(moved, x), run(given, x), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "body",
    [
        "y = Softmax<axis = 1>(x)",  # two moves would be added, and none saved
        "t = Transpose<perm = [0, 2, 1, 3]>(x) y = Softmax<axis = 3>(t)",
        "t = Transpose<perm = [0, 2, 1, 3]>(x) y = Softmax(t)",
    ],
)
def test_others_stay_as_they_are(body):
    given = graph(body)
    assert operators(last_softmax(given)) == operators(given)
