"""A trained network in the layouts that other tools write: it finds what it found, and INT8 keeps its accuracy."""

import pytest
import torch
from torch import nn

import exporter
from exporter.demo.scenes import CLASS_NAMES
from exporter.model.architectures import ARCHITECTURES
from exporter.model.checkpoint import read_checkpoint
from exporter.model.fuse import fuse
from exporter.model.known_weights import DEMO
from exporter.model.weights import load_strict
from tests.tables.trained import name_classes

SIZE = 256
COMMON = [
    f"input.size={SIZE}",
    "preprocessing=yolo_nas",
    "proof.num_scenes=8",
    "evaluation=demo",
    "evaluation.num_images=60",
]
LOST = 0.3  # points of mAP that INT8 may cost


class Foreign(nn.Module):
    """YOLO-NAS-S with the demo's weights; its boxes are cx, cy, w, h."""

    def __init__(self):
        super().__init__()
        network = ARCHITECTURES["yolo_nas_s"].create(len(CLASS_NAMES))
        load_strict(network, read_checkpoint(DEMO / "yolo_nas_s.safetensors"))
        self.network = fuse(network)

    def forward(self, images):
        boxes, scores = self.network(images)
        low, high = boxes.split(2, 2)
        return torch.cat([(low + high) / 2, high - low], 2), scores


class Joined(Foreign):
    """[B, 4 + C, N], as YOLOv8 and YOLO11."""

    def forward(self, images):
        return torch.cat(super().forward(images), 2).transpose(1, 2)


class Relative(Foreign):
    """Boxes in 0..1, and logits, as the DETRs."""

    def forward(self, images):
        boxes, scores = super().forward(images)
        return boxes / SIZE, scores.logit(1e-6)


HEADS = {
    Joined: ["model/head=yolov8", "model.head.nms_threshold=0.7"],
    Relative: ["model/head=rtdetr", "model.head.suppressed=false", "postprocessing.nms.nms_threshold=0.7",
               "postprocessing.nms.confidence_threshold=0.25"],
}  # fmt: skip


def scored(folder, *overrides):
    return exporter.build(None, [*overrides, *COMMON, f"output_dir={folder}"]).evaluation


@pytest.mark.slow
@pytest.mark.parametrize("kind", HEADS)
def test_int8_of_a_declared_head_keeps_its_accuracy(kind, tmp_path):
    file = tmp_path / "theirs.onnx"
    torch.onnx.export(
        kind().eval(), torch.zeros(1, 3, SIZE, SIZE), file, opset_version=17, dynamo=False, input_names=["images"]
    )
    name_classes(file)
    theirs = ["model=onnx", f"model.weights={file}", *HEADS[kind]]
    own = scored(tmp_path / "own", "model=yolo_nas_s", "model.weights=demo")
    plain = scored(tmp_path / "plain", *theirs)
    int8 = scored(tmp_path / "int8", *theirs, "quantization=int8", "calibration=demo", "calibration.num_images=32")
    print(
        f"\n{kind.__name__}: mAP {own.artifact.map:.2f} of the recipe, {plain.artifact.map:.2f} of the file, INT8 {int8.artifact.map:.2f}"
    )
    assert own.artifact.map > 60
    assert plain.artifact.map == pytest.approx(own.artifact.map, abs=0.05)
    assert int8.drop is not None and int8.drop <= LOST
