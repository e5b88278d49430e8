"""`preview.png`: what the artifact sees on a few synthetic images, drawn from its own outputs."""

from pathlib import Path

import numpy as np

from exporter.artifact.manifest import Manifest
from exporter.demo.scenes import scene
from exporter.evaluation.detector import Detector
from exporter.report.drawing import draw, write_png

COLUMNS, GAP = 3, 8


def write_preview(folder: Path, manifest: Manifest, detector: Detector) -> None:
    """Into `folder`, of three synthetic images; detector: the artifact."""
    height, width = manifest.input.nominal_image
    synthetic = [scene("evaluation", 1000 + i, height, width).image for i in range(COLUMNS)]
    found = detector(synthetic)
    drawn = [draw(image, each, manifest.model.class_names) for image, each in zip(synthetic, found, strict=True)]
    gap = np.full((height, GAP, 3), 255, np.uint8)
    strip = [part for image in drawn for part in (image, gap)][:-1]
    write_png(folder / "preview.png", np.concatenate(strip, axis=1))
