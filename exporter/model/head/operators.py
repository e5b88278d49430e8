"""A declared head as ONNX operators behind the network's own outputs, in float32, so that boxes and scores of the
contract come out of the graph."""

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from exporter.graph.append import Op, Outputs, Tensor, append
from exporter.graph.core_outputs import DECODED_OUTPUTS
from exporter.model.head import FROM_A_POINT, Head

SCOPE = "declared"


def output_names(count: int) -> tuple[str, ...]:
    """What the network's own outputs are called while the head is put behind them."""
    return tuple(f"{SCOPE}/output{i}" for i in range(count))


def attach(core: onnx.ModelProto, head: Head) -> onnx.ModelProto:
    """A copy of `core` (input `images`, outputs `output_names`, of known shapes but for the batch and the number of
    boxes) whose outputs are `boxes` [B, N, 4] float32 xyxy in pixels of the input and `scores` [B, N, C] in 0..1."""
    grown = onnx.ModelProto()
    grown.CopyFrom(core)
    (images,) = grown.graph.input
    grown.graph.output.append(images)  # its size is asked for; `append` makes other outputs of them anyway
    names = output_names(head.num_outputs)
    sides = [dim.dim_value or None for dim in images.type.tensor_type.shape.dim][2:]

    def tail(op: Op, values: dict[str, Tensor]) -> Outputs:
        return _tail(op, head, [values[name] for name in names], values["images"], sides)

    return append(grown, SCOPE, tail)


def _tail(op: Op, head: Head, outputs: list[Tensor], images: Tensor, sides: list[int | None]) -> Outputs:
    if head.layout == "split":
        places, rest = (_columns_last(op, *each) for each in zip(outputs, head.columns_axes, strict=True))
    elif head.layout == "split_maps":
        every = range(0, len(outputs), len(head.strides))
        places, *parts = (_of_maps(op, head, outputs[i : i + len(head.strides)]) for i in every)
        rest = op.Concat(*parts, axis=2) if len(parts) > 1 else parts[0]
    else:
        axis = head.columns_axes[0]
        rows = _of_maps(op, head, outputs) if head.layout == "maps" else _columns_last(op, outputs[0], axis)
        places, rest = _of_rows(op, head, rows)
    batch, count = outputs[0].shape[0], places.shape[1]
    boxes, scores = _boxes(op, head, places, images, sides), _scores(op, head, rest)
    if head.classes:
        scores = op.Gather(scores, ir.tensor(np.array(head.classes), name="classes"), axis=2)
    names = zip(DECODED_OUTPUTS, (boxes, scores), (4, scores.shape[2]), strict=True)
    return {name: (value, [batch, count, last]) for name, value, last in names}


def _of_rows(op: Op, head: Head, rows: Tensor) -> Any:
    """What has the place of each box [B, N, K], and its scores [B, N, R]."""
    place, other = head.box_columns, rows.shape[2] - head.box_columns
    if head.columns == "classes_first":
        return op.Split(rows, [other, place], axis=2, _outputs=2)[::-1]
    read = other if head.num_read is None else min(head.num_read, other)
    sizes = [place, read, other - read] if read < other else [place, read]
    return op.Split(rows, sizes, axis=2, _outputs=len(sizes))[:2]


def _columns_last(op: Op, output: Tensor, axis: int) -> Tensor:
    if len(output.shape) == 4:
        output = op.Squeeze(output, [2])
    return output if axis == 2 else op.Transpose(output, perm=[0, 2, 1])


def _of_maps(op: Op, head: Head, outputs: list[Tensor]) -> Tensor:
    """[B, N, K] from [B, A·K, h, w] or [B, A, h, w, K] for each stride."""
    rows = []
    for output in outputs:
        if len(output.shape) == 5:
            rows.append(op.Reshape(output, [0, -1, output.shape[4]]))
            continue
        anchors = len(head.anchors[0]) if head.anchors else 1
        k = output.shape[1] // anchors
        cells = output.shape[2] * output.shape[3]
        by_cell = op.Transpose(op.Reshape(output, [0, anchors, k, cells]), perm=[0, 1, 3, 2])  # [B, A, h·w, K]
        rows.append(op.Reshape(by_cell, [0, -1, k]))
    return op.Concat(*rows, axis=1) if len(rows) > 1 else rows[0]


def _boxes(op: Op, head: Head, places: Tensor, images: Tensor, sides: list[int | None]) -> Tensor:
    if head.decoding in FROM_A_POINT:
        points, strides, _ = _grid(head, sides, head.origin)
        distances = _expected(op, head, places) if head.decoding == "dfl" else places
        reach = 1 if head.decoding == "pixel_distances" else strides
        outwards = _constant(reach * np.array([-1, -1, 1, 1]), "outwards")
        return op.Add(op.Mul(distances, outwards), _constant(np.tile(points, 2), "starts"))
    if head.decoding != "none":
        return _around_cells(op, head, places, sides)
    if head.boxes == "yxyx":
        places = op.Gather(places, [1, 0, 3, 2], axis=-1)
    first, second = _halves(op, places)
    if head.boxes == "xywh":
        places = op.Concat(first, op.Add(first, second), axis=-1)
    elif head.boxes == "cxcywh":
        half = op.Mul(second, 0.5)
        places = op.Concat(op.Sub(first, half), op.Add(first, half), axis=-1)
    if head.unit == "pixels":
        return places if places.producer() is not None else op.Identity(places)
    height, width = sides
    if height is not None and width is not None:
        return op.Mul(places, _constant(np.array([width, height] * 2), "size"))
    size = op.Cast(op.Gather(op.Shape(images), [3, 2, 3, 2]), to=ir.DataType.FLOAT)
    return op.Mul(places, size)


def _around_cells(op: Op, head: Head, places: Tensor, sides: list[int | None]) -> Tensor:
    parts = zip(_grid(head, sides, 0.0), ("cells", "strides", "anchors"), strict=True)
    corner, stride, anchor = (_constant(values, name) for values, name in parts)
    if head.decoding == "yolov5":
        doubled = op.Mul(op.Sigmoid(places), 2.0)
        first, second = _halves(op, doubled)
        centre = op.Add(op.Mul(op.Sub(first, 0.5), stride), corner)
        half = op.Mul(op.Mul(op.Mul(second, second), anchor), 0.5)
    else:
        first, second = _halves(op, places)
        first, second = _halves(op, op.Mul(op.Concat(first, op.Exp(second), axis=-1), stride))
        centre, half = op.Add(first, corner), op.Mul(second, 0.5)
    return op.Concat(op.Sub(centre, half), op.Add(centre, half), axis=-1)


def _expected(op: Op, head: Head, places: Tensor) -> Tensor:
    """[B, N, 4]: the mean of the distribution in each group of `bins`."""
    weights = op.Softmax(op.Reshape(places, [0, -1, 4, head.bins]), axis=-1)
    return op.ReduceSum(op.Mul(weights, _constant(np.arange(head.bins), "bins")), [3], keepdims=0)


def _grid(head: Head, sides: list[int | None], origin: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The point `origin` of each cell in pixels [1, N, 2], the cell's stride [1, N, 1], and its anchor's sides
    [1, N, 2]."""
    height, width = sides
    assert height is not None and width is not None  # `ModelNode.size_problems` says so
    points, strides, anchors = [], [], []
    for level, (stride, (rows, columns)) in enumerate(zip(head.strides, head.num_cells(height, width), strict=True)):
        ys, xs = np.mgrid[:rows, :columns]
        cells = (np.stack([xs, ys], axis=-1).reshape(-1, 2) + origin) * stride
        for anchor in head.anchors[level] if head.anchors else [(0.0, 0.0)]:
            points.append(cells)
            strides.append(np.full((len(cells), 1), stride))
            anchors.append(np.tile(anchor, (len(cells), 1)))
    points, strides, anchors = (np.concatenate(part)[None] for part in (points, strides, anchors))
    return points, strides, anchors


def _scores(op: Op, head: Head, rest: Tensor) -> Tensor:
    if head.layout == "detections":
        score, number = op.Split(rest, [1, 1], axis=2, _outputs=2)
        classes = _constant(np.arange(head.num_classes or 1)[None, None], "classes")
        scores = op.Where(op.Equal(op.Round(number), classes), score, 0.0)
        scores.shape = ir.Shape([rest.shape[0], rest.shape[1], head.num_classes or 1])
        return scores
    if head.activation == "sigmoid":
        rest = op.Sigmoid(rest)
    elif head.activation == "softmax":
        rest = op.Softmax(rest, axis=-1)
    count = rest.shape[2]
    if head.objectness:
        objectness, rest = op.Split(rest, [1, count - 1], axis=2, _outputs=2)
        rest, count = op.Mul(objectness, rest), count - 1
    if head.background != "none":
        first = head.background == "first"
        parts = op.Split(rest, [1, count - 1] if first else [count - 1, 1], axis=2, _outputs=2)
        rest = parts[1] if first else parts[0]
    return rest if rest.producer() is not None else op.Identity(rest)


def _halves(op: Op, x: Tensor) -> Any:
    return op.Split(x, [2, 2], axis=-1, _outputs=2)


def _constant(values: np.ndarray, name: str) -> Any:
    return ir.tensor(values.astype(np.float32), name=name)
