"""A detector as the exporter's own are, but of seven convolutions, and its graph."""

import functools
import io

import onnx
import torch
from torch import Tensor, nn

from exporter.graph.clean import simplify
from exporter.graph.trace import trace
from exporter.model.dfl import NUM_BINS, DflDetector

NUM_CLASSES = 3


class SmallDetector(DflDetector):
    """Strides 8, 16 and 32; the coarse maps go up again, so that sizes which are no multiples of 32 do not fit."""

    strides = (8, 16, 32)

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 8, 9, stride=8, padding=4)
        self.down = nn.Conv2d(8, 8, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(8, 8, 2, stride=2)
        self.reg_pred = nn.Conv2d(8, 4 * NUM_BINS, 1)
        self.cls_pred = nn.Conv2d(8, NUM_CLASSES, 1)

    def levels(self, images: Tensor) -> list[tuple[Tensor, Tensor]]:
        fine = self.stem(images).relu()
        middle = self.down(fine).relu()
        coarse = self.down(middle).relu()
        middle = middle + self.up(coarse)
        fine = fine + self.up(middle)
        return [(3 * self.reg_pred(x), 3 * self.cls_pred(x)) for x in (fine, middle, coarse)]


@functools.cache
def small_core() -> onnx.ModelProto:
    """Its core graph, of any batch and size."""
    return simplify(trace(SmallDetector().eval(), None, None, None, 18))


@functools.cache
def _exported() -> onnx.ModelProto:
    """The same by torch's first exporter, which takes a tenth of the time."""
    file = io.BytesIO()
    axes = {"images": {0: "batch", 2: "height", 3: "width"}, "boxes": {0: "batch"}, "scores": {0: "batch"}}
    torch.onnx.export(
        SmallDetector().eval(), (torch.zeros(2, 3, 64, 96),), file, input_names=["images"],
        output_names=["boxes", "scores"], dynamic_axes=axes, opset_version=18, dynamo=False,
    )  # fmt: skip
    model = onnx.load_from_string(file.getvalue())
    for output, number in zip(model.graph.output, (4, NUM_CLASSES), strict=True):  # which it does not see
        output.type.tensor_type.shape.dim[2].dim_value = number
    return model


def fixed_core(*given: object) -> onnx.ModelProto:
    """The core graph for what `exporter.graph.trace.trace` is given, without tracing anew."""
    core = onnx.ModelProto()
    core.CopyFrom(_exported())
    dims = core.graph.input[0].type.tensor_type.shape.dim
    for axis, number in zip((0, 2, 3), given[1:4], strict=True):
        if isinstance(number, int):
            dims[axis].dim_value = number
    return simplify(core)
