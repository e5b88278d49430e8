"""A network of free sizes: what torch gives, at sizes that the tracing never saw."""

import numpy as np
import onnx
import pytest
import torch

from exporter.common.errors import RequestError
from exporter.graph.trace import trace
from exporter.postprocessing import reference
from exporter.postprocessing.detections import rows
from exporter.postprocessing.format.batch import BatchFormat
from exporter.postprocessing.format.flat import FlatFormat
from exporter.postprocessing.nms.none import NoNms
from exporter.postprocessing.nms.onnx import OnnxNms
from exporter.runtime.onnx_runtime import session
from tests.small_network import SmallDetector, small_core

SHAPES = [(1, 32, 32), (1, 64, 96), (3, 160, 32), (2, 96, 352), (4, 128, 128)]
PARAMETERS = OnnxNms(
    confidence_threshold=0.4, nms_threshold=0.6, num_pre_nms_predictions=50, max_predictions_per_image=20
)


@pytest.fixture(scope="module")
def network():
    return SmallDetector().eval()


@pytest.fixture(scope="module")
def core():
    return small_core()


def dims(value: onnx.ValueInfoProto) -> list[int | str]:
    return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]


def made_images(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).uniform(0, 1, (shape[0], 3, *shape[1:])).astype(np.float32)


def test_dimensions_have_plain_names(core):
    assert dims(core.graph.input[0]) == ["batch", 3, "height", "width"]
    assert [dims(value) for value in core.graph.output] == [
        ["batch", 68, "predictions"], ["batch", 3, "predictions"], ["predictions", 3]
    ]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_any_size_gives_what_torch_gives(network, core, shape):
    images = made_images(*shape)
    got = session(core.SerializeToString()).run(None, {"images": images})
    with torch.no_grad():
        expected = network.undecoded(torch.from_numpy(images))
    for found, wanted in zip(got, expected, strict=True):
        np.testing.assert_allclose(found, wanted.numpy(), atol=1e-5)


@pytest.mark.parametrize("output", [BatchFormat(), FlatFormat()], ids=["batch", "flat"])
def test_detections_of_any_size(network, core, output):
    """Fewer boxes than the NMS looks at, and than it may keep, and more."""
    run = session(output.attach(PARAMETERS.attach(core)).SerializeToString())
    names = [value.name for value in run.get_outputs()]
    for shape in SHAPES:
        images = made_images(*shape)
        found = rows(dict(zip(names, run.run(None, {"images": images}), strict=True)), shape[0])
        with torch.no_grad():
            boxes, scores = (tensor.numpy() for tensor in network(torch.from_numpy(images)))
        for i, each in enumerate(found):
            got = np.concatenate([each.boxes, each.scores[:, None], each.classes[:, None]], axis=1, dtype=np.float32)
            want = reference.detections(boxes[i], scores[i], PARAMETERS)
            assert len(want)
            assert reference.mismatches(got, want) == 0


def test_fixed_sizes_do_not_pay_for_free_ones(float_artifact):
    """A dynamic batch, but anchors that are numbers."""
    graph = onnx.load(float_artifact / "model.onnx").graph
    assert not {"Range", "Expand"} & {node.op_type for node in graph.node if not node.name.startswith("nms/")}
    assert any(tensor.name == "anchors" for tensor in graph.initializer)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(lambda images: images + torch.linspace(0, 1, 96), id="one size"),
        pytest.param(lambda images: images + torch.zeros(int(images.shape[3])), id="a size made a number"),
        pytest.param(lambda images: images if images.shape[3] > 70 else 2 * images, id="a branch on small ones"),
        pytest.param(lambda images: images if images.shape[3] < 900 else 2 * images, id="a branch on large ones"),
    ],
)
def test_a_network_of_some_sizes_is_not_traced_for_all(changed):
    class SomeSizes(SmallDetector):
        def levels(self, images):
            return super().levels(changed(images))

    with pytest.raises(RequestError, match=r"input\.height, input\.width: with dynamic sides torch cannot trace this"):
        trace(SomeSizes().eval(), 1, None, None, 18)


@pytest.mark.parametrize(
    "name",
    [
        "boxes",
        "images",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("scores", "pred_boxes", "box_logits", "anchors", "kept_boxes", "frame")
        ),
    ],
)
def test_a_parameter_of_the_networks_own_may_have_the_name_of_one_of_ours(name):
    class Named(SmallDetector):
        def __init__(self) -> None:
            super().__init__()
            self.register_parameter(name, torch.nn.Parameter(torch.full((3, 1, 1), 1.5)))

        def levels(self, images):
            return super().levels(images * getattr(self, name))

    network = Named().eval()
    core = trace(network, 1, 64, 96, 18)
    stored = {tensor.name for tensor in core.graph.initializer}
    assert f"network/{name}" in stored
    onnx.checker.check_model(core, full_check=True)
    images = made_images(1, 64, 96)
    (boxes, _), (want, _) = (
        session(NoNms().attach(core).SerializeToString()).run(None, {"images": images}),
        network(torch.from_numpy(images)),
    )
    np.testing.assert_allclose(boxes, want.detach().numpy(), atol=1e-4)
    assert BatchFormat().attach(PARAMETERS.attach(core)).graph.output
