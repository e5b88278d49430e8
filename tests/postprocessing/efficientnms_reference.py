"""TensorRT's plugin EfficientNMS_TRT in plain numpy: what the emulation is judged by, and what an engine should give.

Written from the plugin's README and the comments of its published kernels (NVIDIA/TensorRT, plugin/efficientNMSPlugin:
README.md, efficientNMSInference.cu). Of one image:

1. keep the (box, class) pairs that score at least the threshold, without those of the background class;
2. sort them by score and go on with the best 4096;
3. from the best down, keep a pair unless one that was kept, of the same class (`class_agnostic`: of any), overlaps it
   by the IoU threshold or more; stop at `max_output_boxes`.

That is the contract of post-processing (`exporter.postprocessing.reference`) but for three things: both thresholds
include equality here (the README says "above" of the IoU, the kernel compares with >=); the 4096; and pairs of one
score come in no certain order, for which this takes one that the plugin may take too: lower box, then lower class.
"""

from typing import NamedTuple

import numpy as np

from exporter.graph.emulate_plugin import Attributes, threshold_of
from exporter.postprocessing.reference import iou, sigmoid

MAX_SELECTED = 4096


class PluginOutputs(NamedTuple):
    """num_detections [B, 1] int32, boxes [B, max, 4] float32 corners, scores [B, max] float32, classes [B, max] int32,
    best first. Rows from num_detections on are unspecified; zeros here."""

    num_detections: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray


def efficient_nms(boxes: np.ndarray, scores: np.ndarray, attributes: Attributes) -> PluginOutputs:
    """The plugin's outputs for boxes [B, N, 4] and scores [B, N, C], both float32."""
    batch, limit = len(boxes), attributes.max_output_boxes
    out = PluginOutputs(
        np.zeros((batch, 1), np.int32), np.zeros((batch, limit, 4), np.float32),
        np.zeros((batch, limit), np.float32), np.zeros((batch, limit), np.int32),
    )  # fmt: skip
    for image in range(batch):
        corners = _corners(boxes[image]) if attributes.box_coding == 1 else boxes[image]
        kept = _kept(corners, scores[image], attributes)
        n = len(kept)
        out.num_detections[image] = n
        out.boxes[image, :n] = corners[kept[:, 0]]
        out.classes[image, :n] = kept[:, 1]
        values = scores[image][kept[:, 0], kept[:, 1]]
        out.scores[image, :n] = sigmoid(values) if attributes.score_activation else values
    return out


def _kept(boxes: np.ndarray, scores: np.ndarray, attributes: Attributes) -> np.ndarray:
    """[n, 2] int64: box and class of the pairs that one image keeps, best first."""
    enough = scores >= threshold_of(attributes)
    if attributes.background_class >= 0:
        enough[:, attributes.background_class : attributes.background_class + 1] = False
    pairs = np.argwhere(enough)  # by box, then by class
    order = np.argsort(-scores[enough], kind="stable")
    selected = pairs[order][:MAX_SELECTED]

    kept: list[np.ndarray] = []
    for pair in selected:
        rivals = [other[0] for other in kept if attributes.class_agnostic or other[1] == pair[1]]
        overlaps = iou(boxes[pair[:1]], boxes[rivals]) if rivals else np.zeros(1, np.float32)
        if (overlaps >= np.float32(attributes.iou_threshold)).any():
            continue
        kept.append(pair)
        if len(kept) == attributes.max_output_boxes:
            break
    return np.array(kept, np.int64).reshape(-1, 2)


def _corners(boxes: np.ndarray) -> np.ndarray:
    """[N, 4] corners of boxes given by centre, width and height."""
    centre, half = boxes[:, :2], boxes[:, 2:] / np.float32(2)
    return np.concatenate([centre - half, centre + half], axis=1)
