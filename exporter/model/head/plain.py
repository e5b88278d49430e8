"""A declared head in plain numpy: what every graph with that head is proved against.

Written from what the networks' own post-processing does, for reading and not for speed, one level at a time; it shares
nothing with the operators in `exporter.model.head.operators`.
"""

from collections.abc import Sequence

import numpy as np

from exporter.model.head import CORNERS, FROM_A_POINT, Head
from exporter.model.probe import ROUNDED

DETECTION = 6  # numbers: a box, its score, its class
MOST_CLASSES = 2  # for each box: who has more has taken one for the other


class MisdeclaredError(ValueError):
    """The outputs cannot be what the head says; the text says what they are and what to declare."""


def decode(head: Head, outputs: Sequence[np.ndarray], height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Boxes [B, N, 4] xyxy in pixels of an input of that size and scores [B, N, C] in 0..1, float32.

    outputs: as the network gives them, in the order of the head's. Raises MisdeclaredError."""
    with np.errstate(all="ignore"):  # what is not finite is said by whoever judges it
        return _decode(head, [np.asarray(output, np.float32) for output in outputs], height, width)


def _decode(head: Head, outputs: Sequence[np.ndarray], height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    places, rest = _parts(head, outputs, height, width)
    _check(head, places, rest, height, width)
    if head.num_read is not None:
        if rest.shape[2] < head.num_read:
            raise MisdeclaredError(
                f"{rest.shape[2]} numbers behind the place of a box, and model.head.num_classes needs {head.num_read}:"
                " fewer classes, or another model.head.columns"
            )
        rest = rest[..., : head.num_read]
    scores = _scores(head, rest)
    if head.classes and max(head.classes) >= scores.shape[2]:
        raise MisdeclaredError(
            f"scores of {scores.shape[2]} classes, of which model.head.classes reads number {max(head.classes)}"
        )
    return _boxes(head, places, height, width), scores[..., list(head.classes)] if head.classes else scores


def _parts(head: Head, outputs: Sequence[np.ndarray], height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """What has the place of each box [B, N, K], and all that follows it [B, N, R]."""
    if head.layout == "split":
        places, rest = (_columns_last(head, *each) for each in zip(outputs, head.columns_axes, strict=True))
        if places.shape[1] != rest.shape[1]:
            raise MisdeclaredError(
                f"{places.shape[1]} boxes and {rest.shape[1]} rows of scores: model.head.columns or model.head.outputs"
                " must be another"
            )
    elif head.layout == "split_maps":
        every = range(0, len(outputs), len(head.strides))
        places, *rest = (_of_maps(head, outputs[i : i + len(head.strides)], height, width) for i in every)
        if head.objectness and rest[0].shape[2] != 1:
            raise MisdeclaredError(
                f"{rest[0].shape[2]} numbers a box where one, objectness, is wanted: model.head.outputs are first the"
                " boxes of all strides, then the objectness of all, then the classes"
            )
        rest = np.concatenate(rest, axis=2)
    else:
        in_maps = head.layout == "maps"
        axis = head.columns_axes[0]
        rows = _of_maps(head, outputs, height, width) if in_maps else _columns_last(head, outputs[0], axis)
        if head.columns == "classes_first":
            rows = np.roll(rows, head.box_columns, axis=2)
        places, rest = rows[..., : head.box_columns], rows[..., head.box_columns :]
    return places, rest


def _columns_last(head: Head, output: np.ndarray, axis: int) -> np.ndarray:
    if output.ndim == 4 and axis == 2 and output.shape[2] == 1:  # YOLOv4's boxes, [B, N, 1, 4]
        output = output[:, :, 0]
    if output.ndim != 3:
        raise MisdeclaredError(f"{list(output.shape)} has not three dimensions, as layout={head.layout} has: another"
                               " model.head.layout or model.head.outputs")  # fmt: skip
    return output if axis == 2 else output.transpose(0, 2, 1)


def _of_maps(head: Head, outputs: Sequence[np.ndarray], height: int, width: int) -> np.ndarray:
    """[B, N, K] from one map a stride, [B, A·K, h, w] or [B, A, h, w, K]: map after map, anchor after anchor."""
    rows = []
    anchors = len(head.anchors[0]) if head.anchors else 1
    for output, stride, (h, w) in zip(outputs, head.strides, head.num_cells(height, width), strict=True):
        cells = output
        if output.ndim == 4 and output.shape[1] % anchors == 0:
            cells = output.reshape(len(output), anchors, -1, *output.shape[2:]).transpose(0, 1, 3, 4, 2)
        if cells.ndim != 5 or cells.shape[1:4] != (anchors, h, w):
            raise MisdeclaredError(
                f"{list(output.shape)} for the map of stride {stride}, and {anchors} × {h} × {w} cells are wanted:"
                " model.head.strides are in the order of model.head.outputs"
            )
        rows.append(cells.reshape(len(output), -1, cells.shape[-1]))
    return np.concatenate(rows, axis=1)


def _check(head: Head, places: np.ndarray, rest: np.ndarray, height: int, width: int) -> None:
    if head.layout == "detections" and rest.shape[2] != DETECTION - CORNERS:
        raise MisdeclaredError(
            f"{[*rest.shape[:2], rest.shape[2] + CORNERS]}, and detections are [B, N, {DETECTION}] (box, score, class):"
            " another model/head, such as yolo11 for [B, 4 + C, N]"
        )
    if places.shape[2] != head.box_columns:
        raise MisdeclaredError(
            f"{places.shape[2]} numbers for the place of a box, and {head.box_columns} are wanted"
            f" (decoding={head.decoding}, columns={head.columns}): another model.head.columns, outputs or decoding"
        )
    least = head.objectness + (head.background != "none") + 1
    if rest.shape[2] < least:
        raise MisdeclaredError(
            f"{rest.shape[2] + places.shape[2]} numbers a box leave none for classes: model.head.columns, objectness,"
            " background or layout must be another"
        )
    if rest.shape[2] > MOST_CLASSES * rest.shape[1] and head.layout in ("joined", "detections"):
        other = "first" if head.columns == "last" else "last"
        raise MisdeclaredError(
            f"{rest.shape[1]} boxes of {rest.shape[2] - head.objectness} classes: model.head.columns={other} would give"
            f" {rest.shape[2] + places.shape[2]} boxes"
        )
    if head.decoding != "none":
        anchors = len(head.anchors[0]) if head.anchors else 1
        wanted = sum(anchors * h * w for h, w in head.num_cells(height, width))
        if places.shape[1] != wanted:
            raise MisdeclaredError(
                f"{places.shape[1]} boxes, and strides {list(head.strides)} give {wanted} at {width} × {height}:"
                " model.head.strides or anchors must be others"
            )
    if head.layout == "detections":
        # Rows that are not used have no score, or a class below 0: LibreYOLO's EfficientDet has such for COCO's gaps.
        given = rest[..., 1][(rest[..., 0] > 0) & np.isfinite(rest[..., 1])]
        numbers = np.rint(given)
        off = np.abs(given - numbers)
        if (off > ROUNDED).any():
            raise MisdeclaredError(
                f"{given[off.argmax()]:.4g} where detections have the number of a class: these are none, choose another"
                " model/head or model.head.layout"
            )
        if numbers.size and numbers.max() >= (head.num_classes or 1):
            raise MisdeclaredError(
                f"detections of class {numbers.max():.0f}, where {head.num_classes} are"
                f" counted from 0: model.head.num_classes, or the names of model.class_names, must be"
                f" {numbers.max() + 1:.0f} at least"
            )
    if head.objectness and head.activation == "none" and not _in_unit(rest[..., 0]):
        raise MisdeclaredError(
            f"numbers from {rest[..., 0].min():.4g} to {rest[..., 0].max():.4g} where objectness is wanted, in 0..1:"
            " set model.head.objectness=false, or model.head.activation=sigmoid"
        )


def _in_unit(numbers: np.ndarray) -> bool:
    return not ((numbers < -ROUNDED) | (numbers > 1 + ROUNDED)).any()


def _boxes(head: Head, places: np.ndarray, height: int, width: int) -> np.ndarray:
    if head.decoding != "none":
        return np.concatenate(list(_levels(head, places, height, width)), axis=1).astype(np.float32)
    first, second = places[..., :2], places[..., 2:]
    if head.boxes == "yxyx":
        first, second = first[..., ::-1], second[..., ::-1]
    elif head.boxes == "xywh":
        second = first + second
    elif head.boxes == "cxcywh":
        first, second = first - second / 2, first + second / 2
    boxes = np.concatenate([first, second], axis=-1)
    return boxes * np.array([width, height] * 2, np.float32) if head.unit == "relative" else boxes


def _levels(head: Head, places: np.ndarray, height: int, width: int):  # noqa: ANN202 - of arrays
    """Boxes xyxy in pixels, level after level and anchor after anchor.

    yolox (Ge et al. 2021, arXiv:2107.08430): centre (t + cell) · s, sides eᵗ · s. yolov5 (since release 2.0): centre
    (2σ(t) - 0.5 + cell) · s, sides (2σ(t))² · anchor. distances: left, top, right and bottom of a point of the cell, in
    strides; pixel_distances: in pixels (mmdet's RTMDet). dfl (Li et al. 2020, arXiv:2006.04388): distances, each the
    mean of a softmax over 0 … bins-1."""
    start = 0
    for level, (h, w) in enumerate(head.num_cells(height, width)):
        stride = head.strides[level]
        y, x = np.divmod(np.arange(h * w), w)
        cell = np.stack([x, y], axis=-1).astype(np.float32)
        for anchor in head.anchors[level] if head.anchors else ((1.0, 1.0),):
            t = places[:, start : start + h * w]
            start += h * w
            if head.decoding in FROM_A_POINT:
                if head.decoding == "dfl":
                    logits = t.reshape(*t.shape[:2], 4, head.bins).astype(np.float64)
                    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
                    t = (weights * np.arange(head.bins)).sum(axis=-1) / weights.sum(axis=-1)
                if head.decoding != "pixel_distances":
                    t = t * stride
                point = (cell + head.origin) * stride
                yield np.concatenate([point - t[..., :2], point + t[..., 2:]], axis=-1)
                continue
            if head.decoding == "yolov5":
                t = 2 / (1 + np.exp(-t))
                centre, sides = (t[..., :2] - 0.5 + cell) * stride, t[..., 2:] ** 2 * np.array(anchor)
            else:
                centre, sides = (t[..., :2] + cell) * stride, np.exp(t[..., 2:]) * stride
            yield np.concatenate([centre - sides / 2, centre + sides / 2], axis=-1)


def _scores(head: Head, rest: np.ndarray) -> np.ndarray:
    if head.layout == "detections":
        classes = np.arange(head.num_classes or 1, dtype=np.float32)
        return np.where(np.rint(rest[..., 1:]) == classes, rest[..., :1], 0).astype(np.float32)
    if head.activation == "sigmoid":
        e = np.exp(-np.abs(rest))
        rest = np.where(rest >= 0, 1 / (1 + e), e / (1 + e))
    elif head.activation == "softmax":
        e = np.exp(rest - rest.max(axis=-1, keepdims=True))
        rest = e / e.sum(axis=-1, keepdims=True)
    if head.objectness:
        rest = rest[..., :1] * rest[..., 1:]
    if head.background != "none":
        rest = rest[..., 1:] if head.background == "first" else rest[..., :-1]
    return np.ascontiguousarray(rest, dtype=np.float32)
