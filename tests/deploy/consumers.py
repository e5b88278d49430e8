"""What programs make of an artifact's outputs, written from what their sources do, in plain numpy.

Rows are [n, 6] float32 as the exporter's own reference gives them: x1, y1, x2, y2, score, class. Where a program keeps
more places than it uses, only the used ones are given.

- `frigate_yolonas`, `frigate_yolo_generic`, `frigate_rknn`: Frigate, its detectors' post-processing (model types yolonas
  and yolo-generic).
- `deepstream`: DeepStream-Yolo's `NvDsInferParseYolo`, and the clustering of nvinfer behind it.
- `efficientnms`: the parser for EfficientNMS's four outputs, `NvDsInferParseCustomEfficientNMS`.
- `ultralytics`: how the usual readers of Ultralytics' exports go on.
"""

import cv2
import numpy as np

ROOM = 20
"""Detections that Frigate keeps of an image."""
GENERIC = 0.4
"""Both thresholds of its model type yolo-generic."""


def frigate_yolonas(outputs: list[np.ndarray], threshold: float = 0.0) -> np.ndarray:
    """One table [D, 7]: image, x1, y1, x2, y2, score, class. The first 20 rows; a class below 0 ends it."""
    (table,) = outputs
    assert table.ndim == 2 and table.shape[1] == 7, table.shape
    kept = []
    for _, *box, score, c in table[:ROOM]:
        if c < 0:
            break
        if score >= threshold:
            kept.append([*box, score, c])
    return _rows(kept)


def frigate_yolo_generic(outputs: list[np.ndarray]) -> np.ndarray:
    """One tensor [1, 4 + C, N] or its transpose: the longer side is the boxes'. Best class of each, above 0.4, then
    OpenCV's NMS over all classes together with 0.4, 20 at most."""
    (table,) = outputs
    table = table[0]
    if table.shape[0] < table.shape[1]:
        table = table.T
    scores = table[:, 4:].max(axis=1)
    table, scores = table[scores > GENERIC], scores[scores > GENERIC]
    classes = table[:, 4:].argmax(axis=1) if len(table) else np.zeros(0, int)
    corners = np.concatenate([table[:, :2] - table[:, 2:4] / 2, table[:, 2:4]], axis=1)  # left, top, width, height
    kept = np.array(cv2.dnn.NMSBoxes(corners, scores, GENERIC, GENERIC), int).reshape(-1)[:ROOM]
    return _rows([[*corners[i, :2], *(corners[i, :2] + corners[i, 2:]), scores[i], classes[i]] for i in kept])


def frigate_rknn(outputs: list[np.ndarray]) -> np.ndarray:
    """Boxes [1, N, 4] and scores [1, N, 80]: best class of each, above 0.4, OpenCV's NMS over all classes."""
    boxes, scores = outputs
    assert boxes.shape[2] == 4 and scores.shape[2] == 80, (boxes.shape, scores.shape)
    centre, size = (boxes[0, :, :2] + boxes[0, :, 2:]) / 2, boxes[0, :, 2:] - boxes[0, :, :2]
    return frigate_yolo_generic([np.concatenate([centre, size, scores[0]], axis=1).T[None]])


def deepstream(
    table: np.ndarray, width: int, height: int, thresholds: np.ndarray, cluster_mode: int, overlap: float
) -> np.ndarray:
    """Of one image, rows of six [N, 6]. thresholds: of each class, which are looked up by the row's class before
    anything else; cluster_mode: 2 suppresses within each class by `overlap`, 4 takes what there is."""
    kept = []
    for x1, y1, x2, y2, score, c in table:
        if not 0 <= int(c) < len(thresholds):
            raise IndexError(f"the parser reads the threshold of class {int(c)} out of bounds")
        if score < thresholds[int(c)]:
            continue
        left, top, right, bottom = np.clip([x1, y1, x2, y2], 0, [width, height, width, height])
        if right - left < 1 or bottom - top < 1:
            continue
        kept.append([left, top, right, bottom, score, int(c)])
    rows = _rows(kept)
    return _suppressed(rows, overlap) if cluster_mode == 2 else rows


def efficientnms(outputs: list[np.ndarray], width: int, height: int, threshold: float) -> np.ndarray:
    """Of one image, num_detections, boxes, scores, classes: corners are clipped, but the width and height are those of
    the boxes before, and only then clipped to the input."""
    count, boxes, scores, classes = outputs
    kept = []
    for (x1, y1, x2, y2), score, c in list(zip(boxes[0], scores[0], classes[0], strict=True))[: int(count[0, 0])]:
        if score < threshold:
            continue
        left, top = np.clip([x1, y1], 0, [width - 1, height - 1])
        w, h = np.clip([x2 - x1, y2 - y1], 0, [width - 1, height - 1])
        kept.append([left, top, left + w, top + h, score, c])
    return _rows(kept)


def ultralytics(output0: np.ndarray, confidence: float, overlap: float) -> np.ndarray:
    """Of one image, [4 + C, N]: best class of each box, those above `confidence`, NMS within each class."""
    table = output0.T
    scores, classes = table[:, 4:].max(axis=1), table[:, 4:].argmax(axis=1)
    chosen = scores > confidence
    half = table[chosen, 2:4] / 2
    corners = np.concatenate([table[chosen, :2] - half, table[chosen, :2] + half], axis=1)
    return _suppressed(np.concatenate([corners, scores[chosen, None], classes[chosen, None]], axis=1), overlap)


def _suppressed(rows: np.ndarray, overlap: float) -> np.ndarray:
    """Greedy, within each class, best first."""
    rows = rows[np.argsort(-rows[:, 4], kind="stable")]
    kept: list[np.ndarray] = []
    for row in rows:
        if all(_iou(row, other) <= overlap for other in kept if other[5] == row[5]):
            kept.append(row)
    return _rows(kept)


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(w, 0) * max(h, 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both) if both else 0.0


def _rows(rows: list) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 6)
