"""Torch networks of the user's own whose outputs a head describes: the same detections as from the network that gives
boxes and scores itself."""

import numpy as np
import pytest
import torch
from torch import nn

import exporter
from exporter.artifact.detector import detector_of
from exporter.artifact.manifest import read_manifest
from exporter.cli import main
from exporter.common.errors import RequestError
from exporter.demo.scenes import scene
from exporter.model.custom import loaded
from exporter.model.head import Head

SMALL = [
    "preprocessing=declared",
    "preprocessing.max_value=1",
    "input.size=64",
    "proof.num_scenes=0",
    "proof.num_images=2",
]
CLASSES = 3


class Corners(nn.Module):
    """A network of the contract: one box a cell of 16 pixels."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 8, 3, 4, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 4, 1), nn.ReLU())
        self.sides, self.classes = nn.Conv2d(16, 4, 1), nn.Conv2d(16, CLASSES, 1)

    def forward(self, images):
        x = self.trunk(images)
        h, w = x.shape[2:]
        yy, xx = torch.meshgrid(torch.arange(h) * 16.0 + 8, torch.arange(w) * 16.0 + 8, indexing="ij")
        centre = torch.stack([xx, yy], -1).reshape(1, -1, 2)
        sides = self.sides(x).flatten(2).transpose(1, 2).sigmoid() * 24
        boxes = torch.cat([centre - sides[..., :2], centre + sides[..., 2:]], -1)
        return boxes, self.classes(x).flatten(2).transpose(1, 2).sigmoid()


class Joined(Corners):
    """As Ultralytics' networks in eval mode: ([B, 4 + C, N] of cx, cy, w, h and scores, feature maps)."""

    def forward(self, images):
        boxes, scores = super().forward(images)
        low, high = boxes.split(2, 2)
        rows = torch.cat([(low + high) / 2, high - low, scores], 2)
        return rows.transpose(1, 2), [self.trunk(images)]


class Logits(Corners):
    """As the DETRs of transformers: a dictionary of logits and boxes cx, cy, w, h in 0..1."""

    def forward(self, images):
        boxes, scores = super().forward(images)
        low, high = boxes.split(2, 2)
        size = torch.tensor([images.shape[3], images.shape[2]] * 2)
        return {
            "loss": scores.mean(),
            "logits": scores.logit(),
            "pred_boxes": torch.cat([(low + high) / 2, high - low], 2) / size,
        }


def made(kind):
    torch.manual_seed(0)
    return kind().eval()


HEADS = {
    Joined: ["model/head=yolov8"],
    Logits: ["model/head=rtdetr", "model.head.outputs=[pred_boxes,logits]", "model.head.suppressed=false"],
}


def detections(folder):
    image = scene("proof", 0, 64, 64).image
    (found,) = detector_of(folder, read_manifest(folder))(np.stack([image]))
    return found


@pytest.mark.parametrize("kind", [Joined, pytest.param(Logits, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "more",
    [[], pytest.param(["input.batch=dynamic", "input.height=dynamic", "input.width=dynamic"], marks=pytest.mark.slow)],
    ids=["fixed", "dynamic"],
)
def test_the_detections_are_those_of_the_network_that_decodes_itself(kind, more, tmp_path):
    plain, declared = tmp_path / "plain", tmp_path / "declared"
    thresholds = ["model.confidence_threshold=0.5", "model.nms_threshold=0.6"]
    exporter.build(
        None,
        ["model=custom", *SMALL, *thresholds, *more, f"output_dir={plain}"],
        model=made(Corners),
    )
    told = [*HEADS[kind], *SMALL, *thresholds, *more, f"output_dir={declared}"]
    if kind is Joined:  # by way of the command line
        assert main(["model=custom", f"model._target_={__name__}.made_joined", "trust=tests", *told]) == 0
    else:
        exporter.build(None, ["model=custom", *told], model=made(kind))
    assert read_manifest(declared).model.weights.kind == ("custom" if kind is Joined else "memory")
    one, other = detections(plain), detections(declared)
    assert len(one.scores) > 3
    np.testing.assert_array_equal(one.classes, other.classes)
    np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-4)
    np.testing.assert_allclose(one.scores, other.scores, atol=1e-6)
    proof = read_manifest(declared).proof
    assert proof.network.max_box_error < 1e-3 and proof.postprocessing.unexplained == 0


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (Head(layout="joined", columns="first", boxes="xyxy"), "cx, cy, w, h"),
        (Head(layout="split", outputs=("boxes", "scores")), "the network net fails|gives"),
        (
            Head(layout="maps", decoding="yolox", strides=(8, 16, 32)),
            r"gives 2 tensors, and model\.head is read from 3",
        ),
        (Head(layout="joined", columns="first", boxes="cxcywh", activation="sigmoid"), "sigmoid"),
    ],
)
def test_a_wrong_declaration_is_refused(head, says):
    with pytest.raises(RequestError, match=says):
        loaded(made(Joined), "net", "custom", "made", "auto", head)


def test_an_output_that_is_not_there():
    head = Head(outputs=("boxes", "logits"), activation="sigmoid", boxes="cxcywh", unit="relative")
    with pytest.raises(RequestError, match=r"model\.head\.outputs names boxes: it gives loss, logits, pred_boxes"):
        loaded(made(Logits), "net", "custom", "made", "auto", head)


def made_joined():
    """For the command line."""
    return made(Joined)
