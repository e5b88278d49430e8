"""Draws detections on pictures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from exporter.postprocessing.detections import Detections

# Matplotlib's tab10 without its grey: colours that are told apart on any background.
COLOURS = (
    (31, 119, 180), (255, 127, 14), (44, 160, 44), (214, 39, 40), (148, 103, 189),
    (140, 86, 75), (227, 119, 194), (188, 189, 34), (23, 190, 207),
)  # fmt: skip


def draw(picture: np.ndarray, detections: Detections, class_names: Sequence[str]) -> np.ndarray:
    """A copy of the uint8 [h, w, 3] RGB picture with a box, class name and score for each detection, best on top."""
    import cv2

    drawn = np.ascontiguousarray(picture.copy())
    height, width = drawn.shape[:2]
    unit = max(min(height, width) / 640, 0.4)
    line, font = max(round(2 * unit), 1), 0.5 * unit
    for box, score, index in reversed(list(zip(detections.boxes, detections.scores, detections.classes, strict=True))):
        colour = COLOURS[int(index) % len(COLOURS)]
        left, top, right, bottom = (round(float(side)) for side in box)
        cv2.rectangle(drawn, (left, top), (right, bottom), colour, line, cv2.LINE_AA)
        name = class_names[int(index)] if 0 <= int(index) < len(class_names) else f"class {int(index)}"
        text = f"{name} {score:.2f}"
        (w, h), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, font, 1)
        x = min(max(left, 0), max(width - w - 4, 0))
        y = top - base - 2 if top >= h + base + 4 else min(top + h + base + 2, height - base)
        cv2.rectangle(drawn, (x, y - h - 2), (x + w + 4, y + base), colour, -1)
        cv2.putText(drawn, text, (x + 2, y), cv2.FONT_HERSHEY_SIMPLEX, font, (255, 255, 255), 1, cv2.LINE_AA)
    return drawn


def write_png(path: Path, picture: np.ndarray) -> None:
    """Writes a uint8 [h, w, 3] RGB picture."""
    import cv2

    done, data = cv2.imencode(".png", picture[..., ::-1])
    assert done  # encoding uint8 BGR in memory has no way to fail
    path.write_bytes(data.tobytes())
