"""Known boxes and scores as networks of each head would give them, encoded by hand: the inverse of what is tested."""

import numpy as np
import onnx
from omegaconf import OmegaConf
from onnx import TensorProto, helper, numpy_helper

from exporter.common.paths import CONF
from exporter.model.head import Head

HEIGHT, WIDTH, CLASSES = 64, 96, 5
ANCHORS = (((10, 13), (16, 30)), ((30, 61), (62, 45)), ((59, 119), (116, 90)))


def preset(name: str, **changes) -> Head:
    """The head that conf/ has under this name."""
    values = OmegaConf.to_container(
        OmegaConf.merge(*(OmegaConf.load(CONF / f"model/head/{each}.yaml") for each in ("boxes_scores", name)))
    )
    values.pop("defaults", None)
    return Head.model_validate(values | changes)


HEADS = {
    **{name: preset(name) for name in ("yolov8", "yolo11", "yolov9", "yolov5", "yolox", "rfdetr", "dfine", "rtdetr", "detr", "libreyolo9", "libreyolox", "paddle", "paddle_joined", "yolov4", "nanodet")},
    "yolo26": preset("yolo26", num_classes=CLASSES),
    "rtdetr_ultralytics": preset("rtdetr_ultralytics", num_classes=CLASSES),
    "yolox decoded": preset("yolox", decoding="none", boxes="cxcywh"),
    "yolox maps": preset("yolox", layout="maps"),
    "yolov5 maps": preset("yolov5", layout="maps", boxes="xyxy", decoding="yolov5", strides=(8, 16, 32), anchors=ANCHORS, activation="sigmoid"),
    "dfl maps": preset("yolov8", layout="maps", columns="last", boxes="xyxy", decoding="dfl", strides=(8, 16, 32), activation="sigmoid"),
    "dfl in two maps a stride": preset("yolov8", layout="split_maps", columns="last", boxes="xyxy", decoding="dfl", strides=(8, 16, 32), activation="sigmoid"),
    "yolox in three maps a stride": preset("yolox", layout="split_maps"),
    "yolov5 in three maps a stride": preset("yolov5", layout="split_maps", boxes="xyxy", decoding="yolov5", strides=(8, 16, 32), anchors=ANCHORS, activation="sigmoid"),
    "masks behind": preset("yolov8", num_classes=CLASSES),
    "keypoints behind objectness": preset("yolov5", num_classes=CLASSES),
    "more behind a background": Head(layout="joined", background="last", activation="softmax", num_classes=CLASSES),
    "dfl joined": preset("yolov8", boxes="xyxy", decoding="dfl", strides=(8, 16, 32), bins=8, activation="sigmoid"),
    "some of the classes of the contract": Head(classes=(3, 0, 6, 1, 7)),
    "some of the classes": preset("dfine", classes=(3, 0, 6, 1, 7)),
    "some of the classes and no object": preset("detr", classes=(5, 3, 2, 1, 0)),
    "classes before boxes in maps": Head(layout="maps", columns="classes_first", decoding="dfl", strides=(8, 16, 32), activation="sigmoid", origin=0.25),
    "distances split": Head(layout="split", decoding="distances", strides=(16, 32), columns="first"),
    "distances in pixels": Head(layout="split", decoding="pixel_distances", strides=(8, 16, 32), columns="first"),
    "yxyx relative": Head(layout="joined", boxes="yxyx", unit="relative"),
    "xywh relative": Head(layout="joined", boxes="xywh", unit="relative"),
    "objectness and background": Head(layout="joined", objectness=True, activation="sigmoid", background="last"),
    "background first": Head(layout="joined", activation="softmax", background="first"),
}  # fmt: skip


def cells(head: Head) -> list[tuple[float, float, int, tuple[float, float]]]:
    """Column, row, stride and anchor of each box, in the order of the head."""
    rows = []
    for level, stride in enumerate(head.strides):
        for anchor in head.anchors[level] if head.anchors else [(1.0, 1.0)]:
            rows += [(x, y, stride, anchor) for y in range(-(-HEIGHT // stride)) for x in range(-(-WIDTH // stride))]
    return rows


def known(head: Head, batch: int, seed: int = 0, classes: int = CLASSES) -> tuple[np.ndarray, np.ndarray]:
    """Boxes [B, N, 4] xyxy in pixels that the head can say, and scores [B, N, C] in 0..1."""
    rng = np.random.default_rng(seed)
    count = len(cells(head)) if head.decoding != "none" else 40
    if head.decoding == "none":
        centre, sides = (
            rng.uniform((10, 10), (WIDTH - 10, HEIGHT - 10), (batch, count, 2)),
            rng.uniform(4, 40, (batch, count, 2)),
        )
    else:
        x, y, stride, anchor = (np.array(each, float) for each in zip(*cells(head), strict=True))
        corner = np.stack([x, y], -1)
        near = head.origin + rng.uniform(-0.3, 0.3, (batch, count, 2))  # no distance is below 0
        centre = (corner + near) * stride[:, None]
        sides = rng.uniform(1.2, 3, (batch, count, 2)) * (anchor if head.decoding == "yolov5" else stride[:, None])
    scores = rng.uniform(0.01, 0.18, (batch, count, classes))
    if head.layout == "detections":
        scores *= np.eye(classes)[rng.integers(0, classes, (batch, count))]
    return np.concatenate([centre - sides / 2, centre + sides / 2], -1).astype(np.float32), scores.astype(np.float32)


def logit(p: np.ndarray) -> np.ndarray:
    return np.log(p) - np.log1p(-p)


def encoded(head: Head, boxes: np.ndarray, scores: np.ndarray) -> list[np.ndarray]:
    """The outputs of a network with this head that found these boxes with these scores."""
    boxes, scores = boxes.astype(np.float64), scores.astype(np.float64)
    if head.classes:
        of_all = np.full((*scores.shape[:2], max(head.classes) + 1), 0.02)
        of_all[..., head.classes] = scores
        scores = of_all
    places, rest = _places(head, boxes), _rest(head, scores)
    if head.layout == "split":
        first = [each.transpose(0, 2, 1) for each in (places, rest)]
        return {"last": [places, rest], "first": first, "boxes_last": [places, first[1]]}[head.columns]
    if head.layout == "split_maps":
        parts = [rest[..., :1], rest[..., 1:]] if head.objectness else [rest]
        return [each for part in (places, *parts) for each in _maps(head, part)]
    rows = np.concatenate([rest, places] if head.columns == "classes_first" else [places, rest], axis=2)
    if head.num_classes and head.layout == "joined":
        rows = np.concatenate([rows, np.random.default_rng(1).normal(0, 2, (*rows.shape[:2], 7))], axis=2)
    if head.layout != "maps":
        return [rows.transpose(0, 2, 1) if head.columns == "first" else rows]
    return _maps(head, rows)


def _maps(head: Head, rows: np.ndarray) -> list[np.ndarray]:
    maps, start = [], 0
    for level, stride in enumerate(head.strides):
        h, w, a = HEIGHT // stride, WIDTH // stride, len(head.anchors[level]) if head.anchors else 1
        of_map = rows[:, start : start + a * h * w].reshape(len(rows), a, h, w, -1)
        start += a * h * w
        # five dimensions as YOLOv5's raw head has them, four as every convolution gives them
        maps.append(of_map if level == 0 and a > 1 else of_map.transpose(0, 1, 4, 2, 3).reshape(len(rows), -1, h, w))
    return maps


def one_dimension_more(outputs: list[np.ndarray]) -> list[np.ndarray]:
    """As YOLOv4 writes them: boxes [B, N, 1, 4]."""
    boxes, scores = outputs
    return [boxes[:, :, None], scores]


def _places(head: Head, boxes: np.ndarray) -> np.ndarray:
    low, high = boxes[..., :2], boxes[..., 2:]
    centre, sides = (low + high) / 2, high - low
    if head.decoding == "none":
        scale = [HEIGHT, WIDTH] * 2 if head.boxes == "yxyx" else [WIDTH, HEIGHT] * 2
        parts = {
            "xyxy": (low, high),
            "yxyx": (low[..., ::-1], high[..., ::-1]),
            "xywh": (low, sides),
            "cxcywh": (centre, sides),
        }[head.boxes]
        return np.concatenate(parts, -1) / (np.array(scale) if head.unit == "relative" else 1)
    x, y, stride, anchor = (np.array(each, float) for each in zip(*cells(head), strict=True))
    corner, stride = np.stack([x, y], -1), stride[:, None]
    if head.decoding == "yolox":
        return np.concatenate([centre / stride - corner, np.log(sides / stride)], -1)
    if head.decoding == "yolov5":
        return np.concatenate([logit((centre / stride - corner + 0.5) / 2), logit(np.sqrt(sides / anchor) / 2)], -1)
    start = (corner + head.origin) * stride
    distances = np.concatenate([start - low, high - start], -1)
    if head.decoding == "pixel_distances":
        return distances
    distances /= stride
    if head.decoding == "distances":
        return distances
    # all of the weight on the two bins around the distance
    bins = np.arange(head.bins)
    weights = np.maximum(1 - np.abs(bins - distances[..., None]), 0)
    return np.log(np.maximum(weights, 1e-9)).reshape(*boxes.shape[:2], -1)


def _rest(head: Head, scores: np.ndarray) -> np.ndarray:
    if head.layout == "detections":
        return np.concatenate([scores.max(-1, keepdims=True), scores.argmax(-1)[..., None]], -1)
    if head.activation == "softmax":
        none = 1 - scores.sum(-1, keepdims=True)
        return np.log(np.concatenate([none, scores] if head.background == "first" else [scores, none], -1)) + 3.0
    parts = [np.full((*scores.shape[:2], 1), 0.5), scores / 0.5] if head.objectness else [scores]
    if head.background != "none":  # RF-DETR: a column that is scored like the others and means nothing
        parts.append(np.full((*scores.shape[:2], 1), 0.9))
    rest = np.concatenate(parts, -1)
    return logit(rest) if head.activation == "sigmoid" else rest


def network(
    outputs: list[np.ndarray],
    names=None,
    batch=1,
    kind=TensorProto.FLOAT,
    opset=18,
    size=(HEIGHT, WIDTH),
    images="images",
) -> onnx.ModelProto:
    """A graph that gives these outputs for any image."""
    names = names or [f"out{i}" for i in range(len(outputs))]
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    constants = [numpy_helper.from_array(each.astype(dtype), f"c{i}") for i, each in enumerate(outputs)]
    constants.append(numpy_helper.from_array(np.zeros((1, 3, 1, 1), dtype), "w"))
    nodes = [
        helper.make_node("Conv", [images, "w"], ["nothing"], "/backbone/Conv"),
        helper.make_node("ReduceMax", ["nothing"], ["zero"], "/ReduceMax", keepdims=0),
        *(helper.make_node("Add", [f"c{i}", "zero"], [name], f"/Add_{i}") for i, name in enumerate(names)),
    ]
    values = [helper.make_tensor_value_info(n, kind, each.shape) for n, each in zip(names, outputs, strict=True)]
    given = helper.make_tensor_value_info(images, kind, [batch, 3, *size])
    graph = helper.make_graph(nodes, "foreign", [given], values, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
