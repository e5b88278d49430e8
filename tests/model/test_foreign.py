"""Checkpoints of other tools: what they look like, and where to go, in one line."""

import argparse
import datetime
from pathlib import Path

import pytest
import torch

from exporter.common.errors import RequestError
from exporter.model.checkpoint import read_checkpoint
from exporter.model.stored import read_stored
from exporter.model.weights import num_classes_of
from tests.model.pretended import pretended

ONNX = "model=onnx model.weights=FILE.onnx"


def line_of(read, *arguments: object) -> str:
    with pytest.raises(RequestError) as error:
        read(*arguments)
    line = str(error.value)
    assert "\n" not in line and len(line) < 500, line
    return line


@pytest.mark.parametrize(
    ("name", "tool"),
    [
        ("ultralytics.nn.tasks.DetectionModel", "Ultralytics"),
        ("models.yolo.DetectionModel", "YOLOv5, v7 or v9"),
        ("yolox.models.yolox.YOLOX", "YOLOX"),
        ("detectron2.modeling.meta_arch.rcnn.GeneralizedRCNN", "Detectron2"),
        ("rfdetr.models.lwdetr.LWDETR", "RF-DETR"),
    ],
)
@pytest.mark.parametrize("key", ["model", "ema", None])
def test_whole_networks_of_other_tools(tmp_path, name, tool, key):
    with pretended(name) as (kind,):
        network = kind(_modules={"0": torch.nn.Conv2d(1, 1, 1)}, names={0: "person"})
        beside = {"date": datetime.datetime.now(datetime.UTC), "train_args": argparse.Namespace(data=Path("a.yaml"))}
        torch.save({"epoch": -1, "model": None, key: network, **beside} if key else network, tmp_path / "best.pt")
    for read in (read_stored, read_checkpoint):
        line = line_of(read, tmp_path / "best.pt")
        assert line.startswith(f"{tmp_path / 'best.pt'}: holds a whole network of {tool} ({name})") and ONNX in line


def test_a_whole_network_of_supergradients(tmp_path):
    with pretended("super_gradients.training.models.YoloNAS_S") as (kind,):
        torch.save({"net": kind(_modules={}), "epoch": 3}, tmp_path / "a.pth")
    line = line_of(read_checkpoint, tmp_path / "a.pth")
    assert "(super_gradients.training.models.YoloNAS_S): save the state dict alone" in line


def test_a_network_beside_its_weights_does_not_matter(tmp_path):
    with pretended("some.package.Network") as (kind,):
        torch.save({"net": {"a": torch.ones(2)}, "teacher": kind(_modules={})}, tmp_path / "a.pth")
    assert list(read_checkpoint(tmp_path / "a.pth").state) == ["a"]


@pytest.mark.parametrize(
    ("entries", "tool"),
    [
        (["model.0.conv.weight", "model.22.cv2.0.0.conv.weight", "model.22.dfl.conv.weight"], "Ultralytics"),
        (["model.0.conv.weight", "model.24.anchors", "model.24.m.0.weight"], "YOLOv5 or v7"),
        (["backbone.backbone.stem.conv.conv.weight", "head.cls_convs.0.0.conv.weight", "head.obj_preds.0.bias"], "YOLOX"),
        (["backbone.body.conv1.weight", "rpn.head.cls_logits.weight", "roi_heads.box_predictor.bbox_pred.bias"], "torchvision"),
        (["backbone.fpn_lateral2.weight", "proposal_generator.rpn_head.conv.weight"], "Detectron2"),
        (["backbone.conv1.weight", "bbox_head.fc_cls.weight"], "MMDetection"),
        (["transformer.decoder.norm.weight", "refpoint_embed.weight", "class_embed.bias"], "RF-DETR"),
        (["transformer.decoder.norm.weight", "query_embed.weight", "class_embed.bias"], "DETR"),
        (["backbone.conv1.weight", "decoder.dec_score_head.0.weight"], "RT-DETR or D-FINE"),
    ],
)  # fmt: skip
def test_state_dicts_of_other_tools(tmp_path, entries, tool):
    torch.save(
        {"model": {name: torch.ones(2) for name in entries}, "args": argparse.Namespace(a=1)}, tmp_path / "a.pth"
    )
    state = read_checkpoint(tmp_path / "a.pth").state
    line = line_of(num_classes_of, state, "a.pth")
    assert line.startswith(f"a.pth: looks like a network of {tool}: ") and ONNX in line
