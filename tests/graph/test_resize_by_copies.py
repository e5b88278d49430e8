"""A nearest-neighbour Resize on integers as copies of pixels, against numpy.repeat."""

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.graph.resize_by_copies import resize_by_copies
from tests.quantization.networks import operators

COPIES = 'mode = "nearest", coordinate_transformation_mode = "asymmetric", nearest_mode = "floor"'


def graph(
    scales: tuple[float, ...],
    how: str = COPIES,
    after: str = "QuantizeLinear(r, s, z)",
    shape: str = "b,3,h,5",
    kind="uint8",
):
    model = onnx.parser.parse_model(f"""<ir_version: 8, opset_import: ["" : 18]>
        g (uint8[{shape}] x) => ({kind if "Quantize" in after else "float"}[b,c,i,j] y)
        <float s = {{0.05}}, uint8 z = {{3}}, int8 signed = {{3}}, float other = {{0.06}}, float[4] scales = {{{", ".join(map(str, scales))}}}>
        {{ d = DequantizeLinear(x, s, z) r = Resize<{how}>(d, , scales) y = {after} }}""")
    return onnx.shape_inference.infer_shapes(model, data_prop=True)


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 2), st.integers(1, 6))
def test_every_pixel_is_copied(tall, wide, batch, height):
    changed = resize_by_copies(graph((1, 1, tall, wide)))
    assert operators(changed) == ["Transpose", "Unsqueeze", "Expand", "Reshape", "Transpose"]
    onnx.checker.check_model(changed, full_check=True)
    x = np.random.default_rng(height).integers(0, 256, (batch, 3, height, 5), dtype=np.uint8)
    session = onnxruntime.InferenceSession(changed.SerializeToString(), providers=["CPUExecutionProvider"])
    np.testing.assert_array_equal(session.run(None, {"x": x})[0], x.repeat(tall, axis=2).repeat(wide, axis=3))


@pytest.mark.parametrize(
    "changes",
    [
        {"scales": (1, 1, 1.5, 2)},
        {"scales": (1, 2, 2, 2)},
        {"scales": (1, 1, 0.5, 0.5)},
        {"how": 'mode = "linear", coordinate_transformation_mode = "asymmetric", nearest_mode = "floor"'},
        {"how": 'mode = "nearest", coordinate_transformation_mode = "align_corners", nearest_mode = "floor"'},
        {"how": 'mode = "nearest", coordinate_transformation_mode = "asymmetric", nearest_mode = "ceil"'},
        {"after": "QuantizeLinear(r, other, z)"},  # another scale: other integers
        {"after": "QuantizeLinear(r, s, signed)", "kind": "int8"},  # of another type
        {"after": "Neg(r)"},
        {"shape": "b,3,h,w"},  # of the width nothing is known
    ],
)
def test_others_stay_as_they_are(changes):
    given = graph(**{"scales": (1, 1, 2, 2), **changes})
    assert operators(resize_by_copies(given)) == operators(given)


@pytest.mark.parametrize("name", ["d", "r"])
def test_neither_do_those_whose_reals_are_read_from_outside(name):
    given = graph((1, 1, 2, 2))
    given.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, list("bchw")))
    assert operators(resize_by_copies(given)) == operators(given)
