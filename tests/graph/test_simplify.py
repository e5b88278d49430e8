"""Simplification with the weights standing aside gives what onnxsim gives with all of them in place."""

import numpy as np
import onnx
import onnxsim
import pytest

from exporter.graph.clean import simplify, strip_metadata
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


def test_a_batch_norm_is_folded_into_its_convolution():
    model = with_a_batch_norm()
    assert "BatchNormalization" not in {node.op_type for node in simplify(model).graph.node}
    (want,), (got,) = run(model, made_images(1)[0]), run(simplify(model), made_images(1)[0])
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_an_initializer_that_is_an_output_stays():
    model = detector()
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros((9000, 3), np.float32), "anchors"))
    model.graph.output.append(onnx.helper.make_tensor_value_info("anchors", onnx.TensorProto.FLOAT, [9000, 3]))
    assert "anchors" in {w.name for w in simplify(model).graph.initializer}
