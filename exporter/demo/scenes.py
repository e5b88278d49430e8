"""The synthetic detection dataset of the demo: drawn shapes on quiet backgrounds, made on the fly at any size.

`scene` is a pure function of its arguments: the same split, index and size give the same bytes in every process.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from exporter.demo.backgrounds import background, hsv_to_rgb
from exporter.demo.shapes import CLASS_NAMES, Outline, outline

__all__ = ["CLASS_NAMES", "SPLITS", "Scene", "scene"]

SPLITS: tuple[str, ...] = ("train", "calibration", "evaluation", "proof")
"""The splits, in the order of the ids that seed their disjoint random streams."""

_SUPERSAMPLING = 3
_SMALLEST = 32.0  # pixels
_VISIBLE = 0.9  # of each object, whatever lies on top of it
_INSIDE = 0.9  # of each object's box, where it is cut off by the image's edge
_MAX_IOU = 0.2
_TRIES = 12
# Evenly spaced to the eye: equal steps of HSV hue would make every third object green.
_HUES = (4, 18, 32, 44, 54, 95, 150, 172, 192, 208, 226, 252, 276, 310, 338)


@dataclass(frozen=True)
class Scene:
    """An image and its objects.

    image: uint8 [H, W, 3] RGB. boxes: float32 [n, 4] xyxy pixels, tight about each drawn object as if nothing lay
    on top of it, clipped to the image. classes: int64 [n], indices of CLASS_NAMES.
    """

    image: np.ndarray
    boxes: np.ndarray
    classes: np.ndarray


@dataclass(frozen=True)
class _Stencil:
    """One rasterised object: where its patch lies in the image, and how much of each pixel it covers.

    cover, line: float32 [h, w] within 0..1, the whole object and its contour line; x, y: the patch's corner.
    """

    x: int
    y: int
    cover: np.ndarray
    line: np.ndarray

    @property
    def window(self) -> tuple[slice, slice]:
        height, width = self.cover.shape
        return slice(self.y, self.y + height), slice(self.x, self.x + width)


def scene(split: str, index: int, height: int = 640, width: int = 640) -> Scene:
    """The synthetic image of that index in a split, at height x width pixels.

    Raises ValueError for a split not in SPLITS, a negative index or a size that is not positive.
    """
    if split not in SPLITS:
        raise ValueError(f"no split {split!r}: choose one of {', '.join(SPLITS)}")
    if index < 0:
        raise ValueError(f"scene index {index}: give 0 or more")
    if height < 1 or width < 1:
        raise ValueError(f"scene size {height}x{width}: height and width must be 1 or more")
    rng = np.random.default_rng([SPLITS.index(split), index, height, width])
    image, mean_color = background(height, width, rng)
    owner = np.full((height, width), -1, dtype=np.int16)
    boxes: list[np.ndarray] = []
    classes: list[int] = []
    areas: list[int] = []
    seen = np.zeros(0, dtype=np.int64)
    for size in _sizes(height, width, rng):
        class_id = int(rng.integers(len(CLASS_NAMES)))
        placed = _place(class_id, size, owner, areas, seen, boxes, rng)
        if placed is None:
            continue
        stencil, left = placed
        solid = stencil.cover >= 0.5
        owner[stencil.window][solid] = len(boxes)
        areas.append(int(solid.sum()))
        seen = np.append(left, areas[-1])
        boxes.append(_tight_box(stencil))
        classes.append(class_id)
        _paint(image, stencil, mean_color, rng)
    rounded = np.rint(image.clip(0, 255, out=image), out=image).astype(np.uint8)
    return Scene(
        image=cv2.merge(list(rounded)),
        boxes=np.array(boxes, dtype=np.float32).reshape(-1, 4),
        classes=np.array(classes, dtype=np.int64),
    )


def _sizes(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Sizes in pixels of the objects to draw, largest first so that small ones lie on top."""
    side = min(height, width)
    largest = min(140 * (side / 192) ** 0.2, 0.72 * side)
    smallest = min(_SMALLEST, 0.6 * largest)
    most = int(np.clip(7 * (height * width / 192**2) ** 0.45, 1, 24))
    count = rng.integers(max(1, most // 4), most + 1)
    return np.sort(np.exp(rng.uniform(np.log(smallest), np.log(largest), count)))[::-1]


def _place(
    class_id: int,
    size: float,
    owner: np.ndarray,
    areas: list[int],
    seen: np.ndarray,
    boxes: list[np.ndarray],
    rng: np.random.Generator,
) -> tuple[_Stencil, np.ndarray] | None:
    """A stencil that leaves every earlier object well visible, and how many pixels of each are seen then; None where no
    try finds room.

    owner: int16 [H, W], the object seen at each pixel or -1; areas, seen, boxes: of the objects so far, the pixels of
    each alone and those that are seen.
    """
    height, width = owner.shape
    shape = outline(class_id, size, rng)
    thickness = rng.uniform(0.03, 0.08) * size if rng.random() < 0.5 else 0.0
    for _ in range(_TRIES):
        center = rng.uniform(0.3 * size, (width - 0.3 * size, height - 0.3 * size))
        moved = [polygon + center for polygon in shape]
        points = np.concatenate(moved)
        rough = np.concatenate([points.min(axis=0), points.max(axis=0)])
        clipped = rough.clip(0, (width, height, width, height))
        if _area(clipped) < _INSIDE * _area(rough) or any(_iou(clipped, box) > _MAX_IOU for box in boxes):
            continue
        stencil = _rasterise(moved, thickness, height, width)
        solid = stencil.cover >= 0.5
        if solid.sum() < 12:
            continue
        under = owner[stencil.window][solid]
        left = seen - np.bincount(under[under >= 0], minlength=len(areas))
        if all(count >= _VISIBLE * area for count, area in zip(left, areas, strict=True)):
            return stencil, left
    return None


def _rasterise(polygons: Outline, thickness: float, height: int, width: int) -> _Stencil:
    """Draw an outline in image coordinates, antialiased, on the part of its patch within the image."""
    points = np.concatenate(polygons)
    pad = thickness / 2 + 1
    x0, y0 = np.floor(points.min(axis=0) - pad).clip(0, (width - 1, height - 1)).astype(int)
    x1, y1 = np.ceil(points.max(axis=0) + pad).clip((x0 + 1, y0 + 1), (width, height)).astype(int)
    patch = (x1 - x0, y1 - y0)
    fine = np.zeros((patch[1] * _SUPERSAMPLING, patch[0] * _SUPERSAMPLING), dtype=np.uint8)
    # Pixel centres lie at whole numbers in OpenCV, and shift=4 counts in sixteenths of a pixel.
    fixed = [np.rint(((p - (x0, y0)) * _SUPERSAMPLING - 0.5) * 16).astype(np.int32) for p in polygons]
    cv2.fillPoly(fine, fixed, 255, shift=4)
    cover = cv2.resize(fine, patch, interpolation=cv2.INTER_AREA)
    line = np.zeros_like(cover)
    if thickness:
        fine_line = np.zeros_like(fine)
        cv2.polylines(fine_line, fixed, True, 255, max(1, round(thickness * _SUPERSAMPLING)), shift=4)
        line = cv2.resize(fine_line, patch, interpolation=cv2.INTER_AREA)
        cover = cv2.resize(cv2.max(fine, fine_line), patch, interpolation=cv2.INTER_AREA)
    return _Stencil(int(x0), int(y0), cover.astype(np.float32) / 255, line.astype(np.float32) / 255)


def _paint(image: np.ndarray, stencil: _Stencil, mean_color: np.ndarray, rng: np.random.Generator) -> None:
    """Blend an object into image, float32 [3, H, W], in place: a gradient fill and a contour line."""
    rows, columns = stencil.cover.shape
    first = _vivid(mean_color, rng)
    second = first * np.float32(rng.uniform(0.72, 1.0)) + np.float32(rng.uniform(0, 40))
    angle = rng.uniform(0, 2 * np.pi)
    x = np.linspace(-0.5, 0.5, columns, dtype=np.float32) * np.float32(np.cos(angle))
    y = np.linspace(-0.5, 0.5, rows, dtype=np.float32) * np.float32(np.sin(angle))
    blend = (x[None, :] + y[:, None] + np.float32(0.5)).clip(0, 1)
    edge = first * np.float32(0.45) if rng.random() < 0.5 else first + (255 - first) * np.float32(0.75)
    # Channel by channel: numpy is slow where the innermost axis has three numbers.
    for channel in range(3):
        fill = first[channel] + blend * (second - first)[channel]
        fill += stencil.line * (edge[channel] - fill)
        view = image[channel][stencil.window]
        view += stencil.cover * (fill - view)


def _vivid(away_from: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A saturated colour, float32 [3] RGB 0..255, that stands out from the given one."""
    color = away_from
    for _ in range(8):
        hue = rng.choice(_HUES) + rng.uniform(-8, 8)
        hsv = np.array([hue, rng.uniform(0.4, 0.8), rng.uniform(0.5, 0.96)])
        color = hsv_to_rgb(hsv)
        if np.abs(color - away_from).sum() > 150:
            break
    return color


def _tight_box(stencil: _Stencil) -> np.ndarray:
    """The xyxy box of the pixels at least half covered, float64 [4]."""
    solid = stencil.cover >= 0.5
    columns, rows = np.flatnonzero(solid.any(axis=0)), np.flatnonzero(solid.any(axis=1))
    x, y = stencil.x, stencil.y
    return np.array([x + columns[0], y + rows[0], x + columns[-1] + 1, y + rows[-1] + 1], dtype=np.float64)


def _area(box: np.ndarray) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    width, height = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared = max(width, 0) * max(height, 0)
    return shared / (_area(a) + _area(b) - shared)
