"""Which anchor learns which object: task-aligned assignment (Feng et al. 2021, TOOD, arXiv:2108.07755)."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Assignment:
    """Targets of one image. scores: float32 [N, C] in 0..1, zero for background; boxes: float32 [N, 4] xyxy pixels,
    meaningless for background."""

    scores: Tensor
    boxes: Tensor


def pairwise_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU of every pair of xyxy boxes: float32 [n, 4] and [m, 4] -> [n, m]."""
    shared = (torch.minimum(a[:, None, 2:], b[:, 2:]) - torch.maximum(a[:, None, :2], b[:, :2])).clamp(min=0)
    intersection = shared.prod(dim=2)
    areas_a, areas_b = ((x[:, 2:] - x[:, :2]).prod(dim=1) for x in (a, b))
    return intersection / (areas_a[:, None] + areas_b - intersection).clamp(min=1e-9)


@torch.no_grad()
def assign(
    scores: Tensor,
    predicted: Tensor,
    points: Tensor,
    boxes: Tensor,
    classes: Tensor,
    topk: int = 13,
    alpha: float = 1.0,
    beta: float = 6.0,
) -> Assignment:
    """Match the anchors of one image to its objects.

    scores: float32 [N, C] predicted, 0..1; predicted: float32 [N, 4] xyxy pixels; points: float32 [N, 2] anchor
    centres in pixels; boxes: float32 [n, 4] xyxy pixels; classes: int64 [n].

    An object takes the topk anchors inside its box of the highest alignment score ** alpha * IoU ** beta; an anchor
    wanted by several objects goes to the one it overlaps most. The target score is the alignment, scaled so that
    the object's best anchor gets the object's best IoU.
    """
    target_scores, target_boxes = torch.zeros_like(scores), torch.zeros_like(predicted)
    if len(boxes) == 0:
        return Assignment(target_scores, target_boxes)
    overlap = pairwise_iou(boxes, predicted)
    inside = ((points > boxes[:, None, :2]) & (points < boxes[:, None, 2:])).all(dim=2)
    alignment = scores.T[classes].pow(alpha) * overlap.pow(beta) * inside
    best = alignment.topk(min(topk, alignment.shape[1]), dim=1).indices
    wanted = torch.zeros_like(inside).scatter_(1, best, True) & (alignment > 0)

    owner = overlap.where(wanted, -1.0).argmax(dim=0)
    kept = wanted & (torch.arange(len(boxes), device=boxes.device)[:, None] == owner)
    alignment, overlap = alignment * kept, overlap * kept
    # float32's smallest normal number, not a round epsilon: the first steps align at 1e-12 and must still teach.
    peak = alignment.amax(dim=1, keepdim=True).clamp(min=torch.finfo(alignment.dtype).tiny)
    targets = alignment / peak * overlap.amax(dim=1, keepdim=True)

    anchor = torch.nonzero(kept.any(dim=0))[:, 0]
    target_boxes[anchor] = boxes[owner[anchor]]
    target_scores[anchor, classes[owner[anchor]]] = targets[owner[anchor], anchor]
    return Assignment(target_scores, target_boxes)
