"""Simplification with the weights standing aside gives what onnxsim gives with all of them in place."""

import contextlib
import os
import subprocess
import sys

import numpy as np
import onnx
import onnxsim
import pytest

from exporter.graph.clean import simplify, strip_metadata
from exporter.graph.lower_opset import to_opset_17
from exporter.graph.walk import nodes
from tests.quantization.networks import Builder, detector, made_images, run


def with_a_batch_norm() -> onnx.ModelProto:
    b = Builder()
    value = b.conv_relu("stem", "images", 3, 8)
    statistics = [b.weight(f"bn.{k}", np.random.default_rng(1).uniform(0.5, 2, 8).astype(np.float32)) for k in "sbmv"]
    normalised = b.add("BatchNormalization", "bn", b.conv("two", value, 8, 8), *statistics)
    return b.model(b.conv("last", normalised, 8, 4))


@pytest.mark.parametrize("model", [detector(), detector(batch=2), with_a_batch_norm()], ids=["free", "two", "norm"])
def test_the_same_graph_as_with_the_weights_in_it(model):
    before = model.SerializeToString(deterministic=True)
    simplified, expected = simplify(model), strip_metadata(onnxsim.simplify(model, check_n=0)[0])
    assert model.SerializeToString(deterministic=True) == before
    assert list(simplified.graph.node) == list(expected.graph.node)
    assert list(simplified.graph.input) == list(expected.graph.input)
    assert {w.name: w.SerializeToString() for w in simplified.graph.initializer} == {
        w.name: w.SerializeToString() for w in expected.graph.initializer
    }
    images = np.concatenate(made_images(2))
    for want, got in zip(run(expected, images), run(simplified, images), strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("fails", [False, True])
def test_what_onnxsim_writes_is_not_said_and_what_follows_is(monkeypatch, capfd, fails):
    def noisy(model, check_n):
        os.write(2, b'WARNING: failed to run "Exp" op\n')
        if fails:
            raise RuntimeError("within")
        return model, True

    monkeypatch.setattr(onnxsim, "simplify", noisy)
    with pytest.raises(RuntimeError) if fails else contextlib.nullcontext():
        simplify(detector())
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_a_closed_standard_error_is_no_obstacle():
    program = "import os; os.close(2); from exporter.graph.clean import simplify; from tests.quantization.networks import detector; simplify(detector())"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_batch_norm_is_folded_into_its_convolution():
    model = with_a_batch_norm()
    assert "BatchNormalization" not in {node.op_type for node in simplify(model).graph.node}
    (want,), (got,) = run(model, made_images(1)[0]), run(simplify(model), made_images(1)[0])
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_the_domain_of_onnxs_own_operators_has_one_name():
    """Some tools write it out, and not on every node: what is put behind such a graph has to be of the same opset."""
    model = onnx.parser.parse_model(
        '<ir_version: 9, opset_import: ["ai.onnx" : 18]> g (bool which, float[1, 2] x) => (float[1, 2] y) {'
        " y = If(which) <then_branch = a () => (float[1, 2] kept) { kept = Neg(x) },"
        " else_branch = b () => (float[1, 2] other) { other = Abs(x) }> }"
    )
    for node in nodes(model.graph.node):
        node.domain = "ai.onnx"
    clean = strip_metadata(model)
    assert [(entry.domain, entry.version) for entry in clean.opset_import] == [("", 18)]
    assert {node.domain for node in nodes(clean.graph.node)} == {""}
    assert model.opset_import[0].domain == "ai.onnx"
    assert [entry.version for entry in to_opset_17(clean).opset_import] == [17]


def test_an_initializer_that_is_an_output_stays():
    model = detector()
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros((9000, 3), np.float32), "anchors"))
    model.graph.output.append(onnx.helper.make_tensor_value_info("anchors", onnx.TensorProto.FLOAT, [9000, 3]))
    assert "anchors" in {w.name for w in simplify(model).graph.initializer}
