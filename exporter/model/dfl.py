"""From the maps of a detection head to boxes and scores, for heads that predict distances as distributions.

Each side of a box is a distribution over `NUM_BINS` distances (Li et al. 2020, Generalized Focal Loss,
arXiv:2006.04388), in strides of its level, from the centre of its cell. YOLO-NAS and PP-YOLOE share it.
"""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

NUM_BINS = 17  # distances 0 … 16 strides


def anchors(sizes: Sequence[tuple[int, int]], strides: Sequence[int], device: torch.device) -> Tensor:
    """[N, 3] float32: x and y of each cell's centre in pixels and its stride; levels in order, each row by row."""
    rows = []
    for (height, width), stride in zip(sizes, strides, strict=True):
        x = (torch.arange(width, device=device, dtype=torch.float32) + 0.5) * stride
        y = (torch.arange(height, device=device, dtype=torch.float32) + 0.5) * stride
        yy, xx = torch.meshgrid(y, x, indexing="ij")
        rows.append(torch.stack([xx, yy, torch.full_like(xx, stride)], dim=-1).flatten(0, 1))
    return torch.cat(rows)


def decode(box_logits: Tensor, anchors: Tensor) -> Tensor:
    """Boxes [B, N, 4] xyxy in input pixels from box logits [B, 4·bins, N] (side-major: left, top, right, bottom)."""
    batch, _, n = box_logits.shape
    bins = torch.arange(NUM_BINS, dtype=box_logits.dtype, device=box_logits.device)
    distribution = box_logits.reshape(batch, 4, NUM_BINS, n).softmax(dim=2)
    distances = (distribution * bins[:, None]).sum(dim=2).transpose(1, 2) * anchors[:, 2:]  # [B, N, 4] in pixels
    return torch.cat([anchors[:, :2] - distances[..., :2], anchors[:, :2] + distances[..., 2:]], dim=-1)


class DflDetector(nn.Module):
    """Base of the networks. A subclass has `strides` and `levels(images)`: a pair (box logits [B, 4·bins, h, w],
    class logits [B, C, h, w]) for each stride."""

    strides: tuple[int, ...]

    def levels(self, images: Tensor) -> list[tuple[Tensor, Tensor]]:
        raise NotImplementedError

    def initialise(self, class_layers: Iterable[nn.Module], eps: float = 1e-3, momentum: float = 0.03) -> None:
        """BatchNorm as the original has it; a first guess of 1 % a class (Lin et al. 2017, arXiv:1708.02002)."""
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps, module.momentum = eps, momentum
        for layer in class_layers:
            nn.init.constant_(layer.bias, -math.log(99))  # pyright: ignore[reportArgumentType] - a Conv2d's bias

    def undecoded(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """box logits [B, 4·bins, N], class logits [B, C, N], anchors [N, 3]. Split from `forward` so that an exported
        graph can cut to the best candidates before it decodes them."""
        levels = self.levels(images)
        box_logits = torch.cat([boxes.flatten(2) for boxes, _ in levels], dim=2)
        class_logits = torch.cat([classes.flatten(2) for _, classes in levels], dim=2)
        sizes = [(boxes.shape[2], boxes.shape[3]) for boxes, _ in levels]
        return box_logits, class_logits, anchors(sizes, self.strides, images.device)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        box_logits, class_logits, points = self.undecoded(images)
        return decode(box_logits.float(), points), class_logits.float().sigmoid().transpose(1, 2)
