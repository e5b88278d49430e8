"""Code as users write it, for recipes of the tests to name."""

import torch
from onnxscript import opset18 as op
from onnxscript import script
from torch import nn


class Normalise(nn.Module):
    """(x - mean) / scale."""

    def __init__(self, mean=(10.0, 20.0, 30.0), scale=50.0):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).reshape(1, 3, 1, 1))
        self.scale = scale

    def forward(self, x):
        return (x - self.mean) / self.scale


class FromTheMean(Normalise):
    """(mean - x) / scale: the input stands on the other side of the minus."""

    def forward(self, x):
        return (self.mean - x) / self.scale


class Unchanged(nn.Module):
    def forward(self, x):
        return x


@script(default_opset=op)
def normalise(images, scale: float = 50.0):
    mean = op.Constant(value_floats=[10.0, 20.0, 30.0])
    return (images - op.Reshape(mean, op.Constant(value_ints=[1, 3, 1, 1]))) / scale


class Halved(nn.Module):
    def forward(self, x):
        return x[:, :, ::2, ::2]


class Two(nn.Module):
    def forward(self, x):
        return x, x


class Undecided(nn.Module):
    def forward(self, x):
        return x / 255 if x.mean() > 100 else x


class Broken(nn.Module):
    def forward(self, x):
        raise ValueError("not today")


def nothing():
    return "a string"


class Corners(nn.Module):
    """Detections as centre and size in parts of the input's width, with a count."""

    def __init__(self, width=96):
        super().__init__()
        self.width = width

    def forward(self, count, boxes, scores, classes):
        size = boxes[..., 2:] - boxes[..., :2]
        table = torch.cat([boxes[..., :2] + size / 2, size], -1) / self.width
        return {
            "count": count.squeeze(1),
            "table": torch.cat([table, scores[..., None], classes[..., None].float()], -1),
        }


class Pixels(Corners):
    """The same, off by a thousandth of the input."""

    def forward(self, count, boxes, scores, classes):
        return super().forward(count, boxes + 0.1, scores, classes)


class Clashing(nn.Module):
    def forward(self, count, boxes, scores, classes):
        return {"boxes": boxes}


@script(default_opset=op)
def areas(count, boxes, scores, classes):
    sides = op.Slice(boxes, [2], [4], [2]) - op.Slice(boxes, [0], [2], [2])
    area = op.ReduceProd(sides, [2], keepdims=0)
    return count, area
