"""The first half of NMS in the graph: cut to the best boxes of each image, then decode only those.

The contract ranks boxes by their best score after the sigmoid, so that logits which saturate to one score are a tie.
The sigmoid never decreases (but for its last bit), so the best logit gives the best score, and it runs over [B, N]
instead of [B, C, N]; the distributions and all other scores are computed behind the cut.

What is no number is no detection, whatever became of the network's arithmetic: see `candidates`.
Letters: B images, N boxes, C classes, K boxes behind the cut.
"""

import numpy as np
import onnx_ir as ir

from exporter.graph.append import Op, Tensor

FARTHEST = 1e18
"""Pixels: what the sides of a box, their signs taken off, may add up to; its area is then a finite float32."""
LARGEST = float(np.finfo(np.float32).max)


def from_raw(op: Op, box_logits: Tensor, class_logits: Tensor, anchors: Tensor, limit: int) -> tuple[Tensor, Tensor]:
    """Boxes [B, K, 4] and scores [B, C, K] of the `limit` best boxes of each image, in the order they came."""
    n = class_logits.shape[2]
    if not isinstance(n, int) or n > limit:
        best = op.Sigmoid(reduce_max(op, class_logits, axis=1))  # [B, N]
        index = _best(op, best, n, limit)  # [B, K]
        box_logits = _gather_last(op, box_logits, index)  # [B, 4·bins, K]
        class_logits = _gather_last(op, class_logits, index)  # [B, C, K]
        anchors = op.Gather(anchors, index, axis=0)  # [B, K, 3]
    return decode(op, box_logits, anchors), op.Sigmoid(class_logits)


def from_decoded(op: Op, boxes: Tensor, scores: Tensor, limit: int) -> tuple[Tensor, Tensor]:
    """The same from boxes [B, N, 4] and scores [B, N, C]."""
    n = scores.shape[1]
    if not isinstance(n, int) or n > limit:
        best = reduce_max(op, scores, axis=2)  # [B, N]
        index = op.Unsqueeze(_best(op, best, n, limit), [2])  # [B, K, 1]
        boxes = op.GatherND(boxes, index, batch_dims=1)  # [B, K, 4]
        scores = op.GatherND(scores, index, batch_dims=1)  # [B, K, C]
    return boxes, op.Transpose(scores, perm=[0, 2, 1])


def candidates(op: Op, boxes: Tensor, scores: Tensor, confidence: float) -> Tensor:
    """`scores` [B, C, K] with 0, which is above no threshold, for every pair that is no candidate: those that score no
    more than `confidence`, NaN or infinity, and those of a box with a corner that is NaN or farther than `FARTHEST`. So
    a detection is always finite, and a box that is not spoils no other."""
    sides = op.ReduceSum(op.Abs(boxes), [2], keepdims=0)  # [B, K]; NaN and infinity stay what they are in a sum
    real = op.Unsqueeze(op.Less(sides, FARTHEST), [1])  # [B, 1, K]
    counts = op.And(op.Greater(scores, confidence), op.Less(scores, LARGEST))
    return op.Where(op.And(counts, real), scores, 0.0)


def cut(op: Op, scores: Tensor, limit: int) -> Tensor:
    """`scores` [B, C, K] with only the `limit` best of each image left, the others 0, which is above no threshold: so
    suppression spends no time on them. Ties go to the lower box, then to the lower class.

    Without effect, and left out, where there are no more pairs than that.
    """
    num_classes, num_boxes = scores.shape[1:]
    if isinstance(num_boxes, int) and num_boxes * num_classes <= limit:
        return scores
    pairs = op.Reshape(op.Transpose(scores, perm=[0, 2, 1]), [0, -1])  # [B, K·C], through the classes of each box
    k = [limit] if isinstance(num_boxes, int) else op.Min([limit], op.Shape(pairs, start=1))
    best, index = op.TopK(pairs, k, axis=1, sorted=0, _outputs=2)  # [B, limit]
    left = op.ScatterElements(op.ConstantOfShape(op.Shape(pairs)), index, best, axis=1)  # [B, K·C]
    left = op.Transpose(op.Reshape(left, [0, -1, num_classes]), perm=[0, 2, 1])  # [B, C, K]
    left.shape = scores.shape  # inference cannot follow a shape through ConstantOfShape where a dimension is dynamic
    return left


def decode(op: Op, box_logits: Tensor, anchors: Tensor) -> Tensor:
    """Boxes [B, K, 4] xyxy from box logits [B, 4·bins, K] and anchors [K, 3] or [B, K, 3].

    `exporter.model.dfl.decode` in ONNX. The mean of a softmax, Σ k·eᶻ / Σ eᶻ, is written out: ONNX Runtime's Softmax
    transposes to the last axis and back, which makes decoding all 8400 boxes of an image five times as slow.
    """
    num_bins = box_logits.shape[1] // 4
    bins = ir.tensor(np.arange(num_bins, dtype=np.float32)[:, None], name="bins")  # [bins, 1]
    logits = op.Reshape(box_logits, [0, 4, num_bins, -1])  # [B, 4, bins, K]
    weights = op.Exp(op.Sub(logits, reduce_max(op, logits, axis=2, keepdims=1)))
    mean = op.Div(op.ReduceSum(op.Mul(weights, bins), [2], keepdims=0), op.ReduceSum(weights, [2], keepdims=0))
    centre, stride = op.Split(anchors, [2, 1], axis=-1, _outputs=2)  # [.., K, 2], [.., K, 1]
    distances = op.Mul(op.Transpose(mean, perm=[0, 2, 1]), stride)  # [B, K, 4] left, top, right, bottom in pixels
    left_top, right_bottom = op.Split(distances, [2, 2], axis=-1, _outputs=2)
    return op.Concat(op.Sub(centre, left_top), op.Add(centre, right_bottom), axis=-1)


def reduce_max(op: Op, x: Tensor, axis: int, keepdims: int = 0) -> Tensor:
    """ReduceMax, whose axes moved from an attribute to an input in opset 18."""
    if op.version < 18:
        return op.ReduceMax(x, axes=[axis], keepdims=keepdims)
    return op.ReduceMax(x, [axis], keepdims=keepdims)


def _best(op: Op, best: Tensor, n: object, limit: int) -> Tensor:
    """Indices [B, K], ascending, of the `limit` highest of `best` [B, N]. Ascending, because from here on a tie
    goes to the lower position: in TopK, in NonMaxSuppression and in the contract. NaN, which TopK might put anywhere,
    and infinity are the lowest."""
    best = op.Where(op.And(op.Greater(best, 0.0), op.Less(best, LARGEST)), best, 0.0)
    k = [limit] if isinstance(n, int) else op.Min([limit], op.Shape(best, start=1))
    _, index = op.TopK(best, k, axis=1, sorted=0, _outputs=2)
    ascending, _ = op.TopK(index, k, axis=1, largest=0, _outputs=2)
    ascending.shape = ir.Shape([best.shape[0], limit if isinstance(n, int) else None])  # inference knows no computed k
    return ascending


def _gather_last(op: Op, x: Tensor, index: Tensor) -> Tensor:
    """[B, M, K]: of each image the columns `index` [B, K] of `x` [B, M, N]."""
    index = op.Expand(op.Unsqueeze(index, [1]), [1, x.shape[1], 1])  # [B, M, K]
    return op.GatherElements(x, index, axis=2)
