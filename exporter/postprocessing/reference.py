"""The contract of post-processing in plain numpy: what every graph and every backend is judged by.

Written from the contract, for reading and not for speed, and sharing nothing with the graphs. All in float32, since
what lies "above a threshold" is decided in float32. One image at a time: boxes [N, 4] xyxy, scores [N, C].
"""

import numpy as np

from exporter.postprocessing.parameters import NmsParameters

SCORE_MARGIN = 1e-6
"""Scores closer than this may come in either order, and lie on either side of a threshold or of the pre-NMS cut.
ONNX Runtime's Sigmoid is off by up to 1.8e-7 and not monotonic below that."""
BOX_MARGIN = 0.02
"""Pixels: what two decodings of a box may differ by."""


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """1 / (1 + e⁻ˣ), float32 in and out, without overflow."""
    e = np.exp(-np.abs(logits))
    return np.where(logits >= 0, 1 / (1 + e), e / (1 + e)).astype(np.float32)


def decode(box_logits: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """Boxes [B, N, 4] float32 xyxy pixels from box logits [B, 4·bins, N] and anchors [N, 3] (x, y, stride).

    The distance to each side (left, top, right, bottom) is the mean of a softmax over 0 … bins-1, in strides
    (Li et al. 2020, Generalized Focal Loss, arXiv:2006.04388).
    """
    batch, channels, n = box_logits.shape
    logits = box_logits.reshape(batch, 4, channels // 4, n)
    weights = np.exp(logits - logits.max(axis=2, keepdims=True))
    weights /= weights.sum(axis=2, keepdims=True)
    bins = np.arange(channels // 4, dtype=np.float32)
    left, top, right, bottom = np.moveaxis((weights * bins[:, None]).sum(axis=2) * anchors[:, 2], 1, 0)
    x, y = anchors[:, 0], anchors[:, 1]
    return np.stack([x - left, y - top, x + right, y + bottom], axis=-1).astype(np.float32)


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """[n, m] float32: intersection over union of boxes [n, 4] and [m, 4]; 0 where either has no area.

    A box is the rectangle between two opposite corners, whichever they are, as in ONNX's NonMaxSuppression.
    """
    low_a, high_a = np.minimum(a[:, None, :2], a[:, None, 2:]), np.maximum(a[:, None, :2], a[:, None, 2:])
    low_b, high_b = np.minimum(b[None, :, :2], b[None, :, 2:]), np.maximum(b[None, :, :2], b[None, :, 2:])
    overlap = np.maximum(np.minimum(high_a, high_b) - np.maximum(low_a, low_b), 0).prod(axis=2)
    union = (high_a - low_a).prod(axis=2) + (high_b - low_b).prod(axis=2) - overlap
    return np.divide(overlap, union, out=np.zeros_like(overlap), where=overlap > 0)


def detections(boxes: np.ndarray, scores: np.ndarray, parameters: NmsParameters) -> np.ndarray:
    """Rows [n, 6] float32: x1, y1, x2, y2, score, class; best first.

    A score that is NaN or infinite is no candidate's, nor is any of a box with such a corner, or beyond 1e18 pixels."""
    confidence, overlap = np.float32(parameters.confidence_threshold), np.float32(parameters.nms_threshold)
    real = np.abs(boxes).sum(axis=1, dtype=np.float32) < 1e18  # where a corner is NaN or infinite this is not
    scores = np.where(np.isfinite(scores), scores, np.float32(0))
    best = scores.max(axis=1)
    looked_at = np.sort(np.argsort(-best, kind="stable")[: parameters.num_pre_nms_predictions])
    boxes, scores, real = boxes[looked_at], scores[looked_at], real[looked_at]

    candidate = (scores > confidence) & real[:, None]
    if not parameters.multi_label:
        candidate &= np.arange(scores.shape[1]) == scores.argmax(axis=1)[:, None]
    pairs = [(-float(scores[box, c]), int(box), int(c)) for box, c in np.argwhere(candidate)]

    dropped = np.zeros(scores.shape, dtype=bool)
    rows = []
    for _, box, c in sorted(pairs)[: parameters.max_candidates_per_image]:
        if dropped[box, c]:
            continue
        rows.append([*boxes[box], scores[box, c], c])
        if len(rows) == parameters.max_predictions_per_image:
            break
        near = iou(boxes[box : box + 1], boxes)[0] > overlap
        if parameters.class_agnostic:
            dropped[near] = True
        else:
            dropped[near, c] = True
    return np.array(rows, dtype=np.float32).reshape(-1, 6)


def alike(
    row: np.ndarray, boxes: np.ndarray, scores: np.ndarray, box_margin: float = BOX_MARGIN,
    score_margin: float = SCORE_MARGIN,
) -> np.ndarray:  # fmt: skip
    """[n] bool: which of boxes [n, 4] and scores [n] `row` (x1, y1, x2, y2, score, …) can stand for: each side within
    `box_margin` px, the score within 0.1 % and `score_margin`."""
    near = (np.abs(boxes - row[:4]) <= box_margin).all(axis=1)
    return near & (np.abs(scores - row[4]) <= 1e-3 * row[4] + score_margin)


def mismatches(got: np.ndarray, want: np.ndarray) -> int:
    """How many rows ([n, 6] as from `detections`) only one of the two has: those of `want` that find no row of their
    own in `got` that is `alike` and of the same class, and those of `got` that are left.

    Two float32 computations of one function can differ here without a fault: a rounding at a threshold, or in the order
    of near-equal scores, changes which of two overlapping boxes stays, with consequences for others. Where this is not
    0, `exporter.postprocessing.agreement.unexplained` tells such rows from wrong ones.
    """
    free = np.ones(len(got), dtype=bool)
    missing = 0
    for row in want:
        same = free & alike(row, got[:, :4], got[:, 4]) & (got[:, 5] == row[5])
        if same.any():
            free[same.argmax()] = False
        else:
            missing += 1
    return missing + int(free.sum())
