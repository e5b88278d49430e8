"""A detector that is right by construction, and images for it: what ruins it is the build's fault or the request's.

Images of 92 × 92 pixels of grey noise with red and blue squares; YOLO-NAS's geometry puts them into 96 × 96 with a
border of 2, and there each square is a cell of 16 × 16.
"""

import numpy as np
import torch
from torch import nn

NAMES = ["red", "blue"]
SIZE, BORDER, CELL = 96, 2, 16


class Colours(nn.Module):
    """Says of each cell whether it is red or blue, by the mean of its pixels; trained, one might say, on channels in
    this `order` from 0 to `high`."""

    def __init__(self, high: float, order: str):
        super().__init__()
        self.mean = nn.Conv2d(3, 3, CELL, CELL, bias=False)
        self.mean.weight.data = torch.eye(3)[:, :, None, None].expand(3, 3, CELL, CELL) / (high * CELL**2)
        red = torch.tensor([1.0, 0.0, -1.0]) * (1 if order == "rgb" else -1)
        self.excess = nn.Conv2d(3, 2, 1, bias=False)
        self.excess.weight.data = torch.stack([red, -red])[:, :, None, None]
        self.scores = nn.Conv2d(2, 2, 1)
        self.scores.weight.data, self.scores.bias.data = 12 * torch.eye(2)[:, :, None, None], torch.full((2,), -6.0)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits = self.scores(torch.relu(self.excess(torch.relu(self.mean(images)))))
        h, w = logits.shape[2:]
        y, x = torch.meshgrid(torch.arange(h) * float(CELL), torch.arange(w) * float(CELL), indexing="ij")
        corner = torch.stack([x, y], -1).reshape(1, -1, 2).expand(len(images), -1, -1)
        return torch.cat([corner, corner + CELL], -1), logits.flatten(2).transpose(1, 2).sigmoid()


def network(high: float = 1, order: str = "rgb") -> nn.Module:
    return Colours(high, order)


def labelled(count: int = 4) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(image, boxes, classes): each image holds three squares, the last image none."""
    rng = np.random.default_rng(0)
    items = []
    for i in range(count):
        cells = rng.choice(16, 3 if i < count - 1 else 0, replace=False)
        corners = np.stack([cells % 4 + 1, cells // 4 + 1], axis=1) * CELL - BORDER  # not at the border
        classes = rng.integers(0, 2, len(cells))
        image = rng.integers(90, 166, (SIZE - 2 * BORDER, SIZE - 2 * BORDER, 1), dtype=np.uint8).repeat(3, axis=2)
        for (x, y), c in zip(corners, classes, strict=True):
            image[y : y + CELL, x : x + CELL] = (230, 20, 20) if c == 0 else (20, 20, 230)
        items.append((image, np.concatenate([corners, corners + CELL], axis=1), classes))
    return items


def batches(count: int = 4) -> list[np.ndarray]:
    """The same images as they go into the network, for calibration: uint8 [1, 3, 96, 96]."""
    border = [(BORDER, BORDER), (BORDER, BORDER), (0, 0)]
    return [np.pad(p, border, constant_values=114).transpose(2, 0, 1)[None] for p, _, _ in labelled(count)]


def noise(count: int = 4) -> list[np.ndarray]:
    """Random calibration data, as of an exporter without images: uint8 [1, 3, 96, 96]. Patches of 4 × 4, so that no
    cell is as red or as blue as the squares are, but not so even either that INT8 would be refused."""
    patches = np.random.default_rng(0).integers(0, 256, (count, 1, 3, SIZE // 4, SIZE // 4), dtype=np.uint8)
    return list(patches.repeat(4, axis=3).repeat(4, axis=4))
