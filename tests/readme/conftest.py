"""The working directory of whoever reads the READMEs."""

import re
import shutil
from pathlib import Path

import pytest
import torch

from exporter.artifact.signature.sign import sign
from exporter.demo.scenes import CLASS_NAMES, scene
from exporter.model.architectures import ARCHITECTURES
from exporter.model.weights import random_state
from exporter.report.drawing import write_png
from tests.artifact.signature.keys import write_key
from tests.readme import READMES

PROCESSING = {"ComposeProcessing": {"processings": [
    {"DetectionLongestMaxSizeRescale": {"output_shape": (64, 64)}},
    {"DetectionCenterPadding": {"output_shape": (64, 64), "pad_value": 114}},
    {"StandardizeImage": {"max_value": 255.0}}, {"ImagePermute": {"permutation": (2, 0, 1)}},
]}}  # fmt: skip


@pytest.fixture
def workplace(tmp_path, monkeypatch, int8_artifact, one_store):
    """A working directory in which everything lies that the READMEs' commands name; one store, as a user has."""
    monkeypatch.chdir(tmp_path)
    network = ARCHITECTURES["yolo_nas_s"].create(3)
    torch.save({"net": random_state(network, 0), "processing_params": {"image_processor": PROCESSING}}, "mine.pth")
    for folder in ("images", "set/images", "set/labels", "exporter/demo", "recipes"):
        (tmp_path / folder).mkdir(parents=True)
    for i in range(3):
        write_png(tmp_path / "images" / f"{i}.png", scene("calibration", i, 120, 90).image)
        labelled = scene("evaluation", i, 64, 64)
        write_png(tmp_path / "set" / "images" / f"{i}.png", labelled.image)
        lines = [
            f"{int(number)} {(x1 + x2) / 128} {(y1 + y2) / 128} {(x2 - x1) / 64} {(y2 - y1) / 64}\n"
            for (x1, y1, x2, y2), number in zip(labelled.boxes, labelled.classes, strict=True)
        ]
        (tmp_path / "set" / "labels" / f"{i}.txt").write_text("".join(lines))
    (tmp_path / "data.yaml").write_text(f"path: set\ntrain: images\nval: images\nnames: {list(CLASS_NAMES)}\n")
    for name in ("yolo_nas_s", "yolo_nas_s_int8"):
        shutil.copytree(int8_artifact, tmp_path / "outputs" / name)
    write_key(tmp_path, "builder")
    sign(Path("outputs/yolo_nas_s_int8"), Path("builder.key"), None)
    for place in ("image.jpg", "exporter/demo/preview.jpg"):
        write_png(tmp_path / place, scene("evaluation", 0, 320, 640).image)
    (recipe,) = re.findall(r"```yaml\n(# @package _global_.*?)```", READMES["conf/README.md"], re.DOTALL)
    (tmp_path / "recipes" / "my_camera.yaml").write_text(recipe)
    return tmp_path
