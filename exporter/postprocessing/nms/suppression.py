"""The second half of NMS in the graph: suppress among the candidates of each image, then rank what is kept.

Letters: B images, K boxes, C classes. Every tensor of scores is dense, [B, C, K] with 0 for "not a candidate" or "not
kept": no score of a candidate is 0, since candidates lie strictly above a threshold of at least 0.
"""

import numpy as np
import onnx_ir as ir

from exporter.graph.append import Op, Outputs, Tensor
from exporter.postprocessing.nms.candidates import reduce_max


def best_class(op: Op, boxes: Tensor, scores: Tensor, but_empty_boxes: bool = False) -> Tensor:
    """`scores` [B, C, K] with only the best class of each box left, the lower one of two that tie.

    `but_empty_boxes`: boxes without area keep all their classes. Where classes suppress each other, a box's best class
    suppresses its other ones (they have IoU 1) or whatever suppressed it suppresses them too, so the best class alone
    gives the same result; but a box without area has no IoU with anything, itself included.
    """
    num_classes = scores.shape[1]
    classes = ir.tensor(np.arange(num_classes)[:, None], name="classes")  # [C, 1]
    chosen = op.Equal(op.ArgMax(scores, axis=1, keepdims=1), classes)  # [B, C, K]
    if but_empty_boxes:
        left_top, right_bottom = op.Split(boxes, [2, 2], axis=2, _outputs=2)
        width, height = op.Split(op.Sub(right_bottom, left_top), [1, 1], axis=2, _outputs=2)  # [B, K, 1]
        empty = op.Equal(op.Transpose(op.Mul(width, height), perm=[0, 2, 1]), 0.0)  # [B, 1, K]
        chosen = op.Or(chosen, empty)
    return op.Where(chosen, scores, 0.0)


def suppress(op: Op, boxes: Tensor, scores: Tensor, iou: float, confidence: float, limit: int) -> Tensor:
    """`scores` [B, C, K] with only the kept pairs left, each class by itself. `limit` pairs of a class are enough: NMS
    keeps the best first, so those beyond cannot be among the `limit` best of the image."""
    rows = op.NonMaxSuppression(boxes, scores, limit, iou, confidence)  # [kept, 3]: image, class, box
    nothing = op.ConstantOfShape(op.Shape(scores))  # [B, C, K]
    kept = op.ScatterND(nothing, rows, op.GatherND(scores, rows))
    kept.shape = scores.shape  # inference cannot follow a shape through ConstantOfShape where a dimension is dynamic
    return kept


def suppress_across_classes(op: Op, boxes: Tensor, scores: Tensor, iou: float, confidence: float, limit: int) -> Tensor:
    """The same where classes suppress each other, for scores as `best_class` leaves them."""
    best = reduce_max(op, scores, axis=1, keepdims=1)  # [B, 1, K]
    kept = suppress(op, boxes, best, iou, confidence, limit)  # [B, 1, K]
    return op.Where(op.Greater(kept, 0.0), scores, 0.0)


def rank(op: Op, boxes: Tensor, kept: Tensor, confidence: float, limit: int) -> Outputs:
    """The `limit` best pairs of each image, best first, from boxes [B, K, 4] and kept scores [B, C, K]."""
    batch = kept.shape[0]
    scores, box, classes = first(op, kept, limit)
    count = op.ReduceSum(op.Cast(op.Greater(scores, confidence), to=ir.DataType.INT64), [1], keepdims=1)
    return {
        "kept_boxes": (op.GatherND(boxes, op.Unsqueeze(box, [2]), batch_dims=1), [batch, limit, 4]),
        "kept_scores": (scores, [batch, limit]),
        "kept_classes": (classes, [batch, limit]),
        "num_kept": (count, [batch, 1]),
    }


def first(op: Op, scores: Tensor, limit: int) -> tuple[Tensor, Tensor, Tensor]:
    """Scores, boxes (indices) and classes of the first `limit` pairs of each image in the contract's order, all
    [B, limit], from scores [B, C, K]; where there are fewer, what is left over scores 0.

    TopK over a row that runs through the classes of the first box, then of the second …: it sorts, gives ties to the
    lower box and then the lower class, cuts, and pads an image that has less with zeros, for any batch.
    """
    _, num_classes, num_boxes = scores.shape
    pairs = op.Reshape(op.Transpose(scores, perm=[0, 2, 1]), [0, -1])  # [B, K·C]
    if not isinstance(num_boxes, int):
        k = op.Min([limit], op.Shape(pairs, start=1))
        padding = op.Concat([0, 0, 0], op.Sub([limit], k), axis=0)
    else:
        k = [min(limit, num_boxes * num_classes)]
        padding = [0, 0, 0, limit - k[0]] if k[0] < limit else None
    best, index = op.TopK(pairs, k, axis=1, _outputs=2)  # [B, limit] once padded
    if padding is not None:
        best, index = op.Pad(best, padding), op.Pad(index, padding)
    return best, op.Div(index, num_classes), op.Mod(index, num_classes)
