"""The training loss of the anchor-free detectors: varifocal classification, GIoU and distribution focal boxes.

PP-YOLOE (Xu et al. 2022, arXiv:2203.16250) put these parts together and YOLO-NAS kept them. Anchors are matched to
objects by `tests.demo.training.assigner`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from exporter.model.dfl import NUM_BINS, decode
from tests.demo.training.assigner import assign

BOX_WEIGHT, DISTRIBUTION_WEIGHT = 2.5, 0.5


@dataclass(frozen=True)
class Losses:
    """Scalar tensors; total is the weighted sum to descend, the others are its parts before weighting."""

    total: Tensor
    classes: Tensor
    boxes: Tensor
    distribution: Tensor


def varifocal(logits: Tensor, targets: Tensor, alpha: float = 0.75, gamma: float = 2.0) -> Tensor:
    """Varifocal loss (Zhang et al. 2021, VarifocalNet, arXiv:2008.13367), summed.

    logits, targets: float32 of one shape; targets in 0..1, zero for negatives. Positives weigh as much as their
    target; negatives weigh alpha * p ** gamma, so that easy ones fade.
    """
    negative_weight = alpha * logits.sigmoid().pow(gamma)
    weight = torch.where(targets > 0, targets, negative_weight)
    return (weight * F.binary_cross_entropy_with_logits(logits, targets, reduction="none")).sum()


def giou_loss(boxes: Tensor, targets: Tensor) -> Tensor:
    """1 - GIoU (Rezatofighi et al. 2019, arXiv:1902.09630) of pairs of xyxy boxes: float32 [n, 4] twice -> [n]."""
    shared = (torch.minimum(boxes[:, 2:], targets[:, 2:]) - torch.maximum(boxes[:, :2], targets[:, :2])).clamp(min=0)
    hull = torch.maximum(boxes[:, 2:], targets[:, 2:]) - torch.minimum(boxes[:, :2], targets[:, :2])
    intersection, hull_area = shared.prod(dim=1), hull.prod(dim=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1) + (targets[:, 2:] - targets[:, :2]).prod(dim=1)
    union = areas - intersection
    return 1 - intersection / union.clamp(min=1e-9) + (hull_area - union) / hull_area.clamp(min=1e-9)


def distribution_loss(logits: Tensor, distances: Tensor) -> Tensor:
    """Distribution focal loss (Li et al. 2020, Generalized Focal Loss, arXiv:2006.04388), mean over the four sides.

    logits: float32 [n, 4, bins]; distances: float32 [n, 4] in strides. The two bins beside a distance share its
    mass. Returns [n].
    """
    bins = logits.shape[-1]
    # A hair below the last bin, so that both neighbours exist.
    distances = distances.clamp(0, bins - 1 - 0.01)
    below = distances.long()
    part_above = distances - below
    log_mass = logits.log_softmax(dim=-1)
    log_below = log_mass.gather(-1, below[..., None])[..., 0]
    log_above = log_mass.gather(-1, below[..., None] + 1)[..., 0]
    return -((1 - part_above) * log_below + part_above * log_above).mean(dim=-1)


def detection_loss(
    box_logits: Tensor, class_logits: Tensor, anchors: Tensor, boxes: list[Tensor], classes: list[Tensor]
) -> Losses:
    """The loss of a batch, each part divided by the sum of the assigned scores.

    box_logits: float32 [B, 4*17, N]; class_logits: float32 [B, C, N]; anchors: float32 [N, 3] x, y, stride in pixels
    (what `network.undecoded` returns). boxes: B tensors float32 [n, 4] xyxy pixels; classes: B tensors int64 [n].
    """
    predicted = decode(box_logits, anchors)
    class_logits = class_logits.transpose(1, 2)
    scores = class_logits.detach().sigmoid()
    matches = [
        assign(s, p, anchors[:, :2], b, c)
        for s, p, b, c in zip(scores, predicted.detach(), boxes, classes, strict=True)
    ]
    target_scores = torch.stack([m.scores for m in matches])
    target_boxes = torch.stack([m.boxes for m in matches])
    weights = target_scores.sum(dim=2)
    normaliser = weights.sum().clamp(min=1)
    class_loss = varifocal(class_logits, target_scores) / normaliser

    image, anchor = torch.nonzero(weights > 0, as_tuple=True)
    weight = weights[image, anchor] / normaliser
    wanted, points = target_boxes[image, anchor], anchors[anchor]
    box_loss = (giou_loss(predicted[image, anchor], wanted) * weight).sum()
    distances = torch.cat([points[:, :2] - wanted[:, :2], wanted[:, 2:] - points[:, :2]], dim=1) / points[:, 2:]
    logits = box_logits[image, :, anchor].reshape(-1, 4, NUM_BINS)
    distribution = (distribution_loss(logits, distances) * weight).sum()
    total = class_loss + BOX_WEIGHT * box_loss + DISTRIBUTION_WEIGHT * distribution
    return Losses(total, class_loss, box_loss, distribution)
