"""Do the numbers of a quantized graph fit together?

Metrics cannot tell: what a wrong scale, zero point or anchor does to one layer is no more than what quantization may do
to all of them. So what has to be the same number, or one grid, is looked up in the graph.
"""

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import numpy_helper

from exporter.graph.operators import WEIGHTED

ROUNDING = 1e-5
"""Of a product of two float32 scales, relative."""


def pair_problems(model: onnx.ModelProto) -> Iterator[str]:
    """Clauses on pairs that write with one number and read with another, and on biases that are not in the scale of
    what they are added to, input times weights. An Add may read with a scale of its own, which stands for a factor."""
    stored = {each.name: each for each in model.graph.initializer}
    producers = {name: node for node in model.graph.node for name in node.output}
    readers: dict[str, set[str]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, set()).add(node.op_type)

    def number(node: onnx.NodeProto, index: int) -> np.ndarray | None:
        """A scale or zero point that is a constant; ONNX's own zero point where there is none."""
        if index >= len(node.input) or not node.input[index]:
            return np.zeros(())
        tensor = stored.get(node.input[index])
        return None if tensor is None else numpy_helper.to_array(tensor).astype(np.float64)

    for read in (node for node in model.graph.node if node.op_type == "DequantizeLinear"):
        written = producers.get(read.input[0])
        if written is None or written.op_type != "QuantizeLinear":
            continue
        if not _same(number(written, 2), number(read, 2)):
            yield f"{read.name} reads with another zero point than {written.name} writes with"
        if readers.get(read.output[0], set()) - {"Add"} and not _same(number(written, 1), number(read, 1)):
            yield f"{read.name} reads with another scale than {written.name} writes with"
    for node in model.graph.node:
        linear = [producers.get(name) for name in node.input]
        if node.op_type not in (*WEIGHTED, "Gemm") or len(linear) < 3:
            continue
        if any(each is None or each.op_type != "DequantizeLinear" for each in linear):
            continue
        input_scale, weight_scale, bias_scale = (number(each, 1) for each in linear if each is not None)
        if input_scale is None or weight_scale is None or bias_scale is None:
            continue
        if not _same(input_scale * weight_scale, bias_scale):
            yield f"the bias of {node.name} is not in the scale of its input times that of its weights"


def _same(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    """Whether two numbers, or one for each channel, are the same; what is computed cannot be told."""
    return one is None or other is None or bool(np.allclose(one, other, rtol=ROUNDING, atol=0))


def anchor_problems(model: onnx.ModelProto) -> Iterator[str]:
    """A clause where the anchors (x, y, stride) are constants and not those of one image: at each stride a grid, row
    by row, as many strides wide and high as those of the other strides, and at one place of its cells."""
    anchors = next((numpy_helper.to_array(each) for each in model.graph.initializer if each.name == "anchors"), None)
    if anchors is None or anchors.ndim != 2 or anchors.shape[1] != 3:
        return
    strides = list(dict.fromkeys(anchors[:, 2].tolist()))
    levels = [anchors[anchors[:, 2] == stride, :2] / np.float32(stride) for stride in strides]  # in cells
    grids = [[np.unique(level[:, axis]) for axis in (0, 1)] for level in levels]
    in_rows = all(
        len(level) == len(x) * len(y) and np.array_equal(level, np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2))
        for level, (x, y) in zip(levels, grids, strict=True)
    )
    sizes = {(len(x) * stride, len(y) * stride) for (x, y), stride in zip(grids, strides, strict=True)}
    steps = all((np.diff(side) == 1).all() for grid in grids for side in grid)
    places = {(float(x[0]), float(y[0])) for x, y in grids}
    if not (in_rows and steps and len(sizes) == len(places) == 1):
        yield "the anchors are not the centres of one grid for each stride"
