"""Draws detections on images."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from exporter.postprocessing.detections import Detections

# Matplotlib's tab10 without its grey: colours that are told apart on any background.
COLOURS = (
    (31, 119, 180), (255, 127, 14), (44, 160, 44), (214, 39, 40), (148, 103, 189),
    (140, 86, 75), (227, 119, 194), (188, 189, 34), (23, 190, 207),
)  # fmt: skip


def draw(image: np.ndarray, detections: Detections, class_names: Sequence[str]) -> np.ndarray:
    """A copy of the uint8 [h, w, 3] RGB image with a box, class name and score for each detection, best on top."""
    import cv2

    drawn = np.ascontiguousarray(image.copy())
    unit = max(min(drawn.shape[:2]) / 640, 0.4)
    line = max(round(2 * unit), 1)
    for box, score, index in reversed(list(zip(detections.boxes, detections.scores, detections.classes, strict=True))):
        colour = COLOURS[int(index) % len(COLOURS)]
        left, top, right, bottom = (round(float(side)) for side in box)
        cv2.rectangle(drawn, (left, top), (right, bottom), colour, line, cv2.LINE_AA)
        draw_label(drawn, f"{class_name(class_names, int(index))} {score:.2f}", left, top, colour, 0.5 * unit)
    return drawn


def draw_label(drawn: np.ndarray, text: str, left: int, top: int, colour: tuple[int, int, int], font: float) -> None:
    """Draws white words on the colour above a box's top left corner, below it where there is no room."""
    import cv2

    height, width = drawn.shape[:2]
    (w, h), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, font, 1)
    x = min(max(left, 0), max(width - w - 4, 0))
    y = top - base - 2 if top >= h + base + 4 else min(top + h + base + 2, height - base)
    cv2.rectangle(drawn, (x, y - h - 2), (x + w + 4, y + base), colour, -1)
    cv2.putText(drawn, text, (x + 2, y), cv2.FONT_HERSHEY_SIMPLEX, font, (255, 255, 255), 1, cv2.LINE_AA)


def class_name(names: Sequence[str], index: int) -> str:
    """A detection's class; an index beyond the names is itself."""
    return names[index] if 0 <= index < len(names) else f"class {index}"


def encoded(image: np.ndarray, suffix: str) -> bytes:
    """A uint8 [h, w, 3] RGB image as a file: .png, or .jpg in a quality for looking at."""
    import cv2

    done, data = cv2.imencode(suffix, image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85] if suffix == ".jpg" else [])
    assert done  # encoding uint8 BGR in memory has no way to fail
    return data.tobytes()


def write_png(path: Path, image: np.ndarray) -> None:
    """Writes a uint8 [h, w, 3] RGB image."""
    path.write_bytes(encoded(image, ".png"))
