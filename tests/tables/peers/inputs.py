"""What every tool is given: weights, our FP32 artifact, and the same calibration images in each form that one reads."""

from pathlib import Path

import cv2
import numpy as np
import torch

from exporter.artifact.manifest import read_manifest
from exporter.demo.scenes import CLASS_NAMES, scene
from exporter.model.checkpoint import read_checkpoint
from exporter.model.known_weights import DEMO
from exporter.preprocessing.encode import encode
from tests.tables.measured import built
from tests.tables.precision import WIDE

CALIBRATION = 32
"""Synthetic images: the demo's own default."""
COMMON = ("+recipe=yolo_nas_s", "model.weights=demo", "proof.num_scenes=0", *WIDE,
          "postprocessing.nms.confidence_threshold=0.01")  # fmt: skip


def inputs(folder: Path, size: int) -> None:
    """Fills the folder as `programs` says; it is the FP32 artifact's own, too."""
    built([*COMMON, "quantization=none", f"input.size={size}"], folder)
    state = read_checkpoint(DEMO / "yolo_nas_s.safetensors").state
    torch.save(dict(state), folder / "weights.pth")
    images = [scene("calibration", i, size, size).image for i in range(CALIBRATION)]
    for name in ("images", "labels"):  # labels: a YOLO data set has some; calibration reads none
        (folder / name).mkdir()
    for i, image in enumerate(images):
        cv2.imwrite(str(folder / "images" / f"{i:03}.png"), image[..., ::-1])
        (folder / "labels" / f"{i:03}.txt").touch()
    listed = f"nc: {len(CLASS_NAMES)}\nnames: [{', '.join(CLASS_NAMES)}]\n"
    (folder / "data.yaml").write_text(f"path: {folder}\ntrain: images\nval: images\n{listed}", encoding="utf-8")
    manifest = read_manifest(folder)
    geometry = manifest.preprocessing.geometry
    assert geometry is not None  # the recipe's own
    fitted = np.stack([geometry.apply(image) for image in images])
    np.save(folder / "calibration.npy", encode(fitted, manifest.input, manifest.preprocessing))
