"""Outlines of the demo classes, as polygons about the origin.

Every outline fits the square [-1, 1] x [-1, 1]; y points down, as in an image. Each class varies a little (the
hole of a ring, the depth of a star) so that a detector has to learn the shape and not one template.
"""

from collections.abc import Callable

import numpy as np

Outline = list[np.ndarray]
"""Closed polygons, each float64 [n, 2] x y; filled by the even-odd rule, so a second polygon cuts a hole."""


def _arc(start: float, stop: float, count: int, radius: float = 1.0, center: float = 0.0) -> np.ndarray:
    """Points [count, 2] of a circular arc about (center, 0), from start to stop radians."""
    angles = np.linspace(start, stop, count)
    return np.stack([center + radius * np.cos(angles), radius * np.sin(angles)], axis=1)


def _disc(_: np.random.Generator) -> Outline:
    return [_arc(0, 2 * np.pi, 64)]


def _square(_: np.random.Generator) -> Outline:
    return [np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], dtype=np.float64)]


def _triangle(_: np.random.Generator) -> Outline:
    return [_arc(0, 2 * np.pi * 2 / 3, 3)]


def _star(rng: np.random.Generator) -> Outline:
    points = _arc(0, 2 * np.pi * 9 / 10, 10)
    points[1::2] *= rng.uniform(0.4, 0.52)
    return [points]


def _ring(rng: np.random.Generator) -> Outline:
    circle = _arc(0, 2 * np.pi, 64)
    return [circle, circle * rng.uniform(0.48, 0.68)]


def _cross(rng: np.random.Generator) -> Outline:
    arm = rng.uniform(0.26, 0.4)
    quarter = np.array([(arm, -1), (arm, -arm), (1, -arm)])
    # A quarter turn takes (x, y) to (-y, x).
    turns = [quarter]
    for _ in range(3):
        turns.append(np.stack([-turns[-1][:, 1], turns[-1][:, 0]], axis=1))
    return [np.concatenate(turns)]


def _heart(_: np.random.Generator) -> Outline:
    t = np.linspace(0, 2 * np.pi, 64)
    x = 16 * np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    return [np.stack([x, y + 2.5], axis=1) / 16]


def _crescent(rng: np.random.Generator) -> Outline:
    # The bite is a circle of the given radius about (offset, 0); the horns are where the two circles meet.
    offset, radius = rng.uniform(0.42, 0.56), 0.82
    horn_x = (1 - radius**2 + offset**2) / (2 * offset)
    horn = float(np.arccos(horn_x))
    bite = float(np.arctan2(np.sin(horn), horn_x - offset))
    outer = _arc(horn, 2 * np.pi - horn, 48)
    inner = _arc(2 * np.pi - bite, bite, 32, radius, offset)
    # The bite leaves the weight on the left: a quarter to the right centres it.
    return [np.concatenate([outer, inner]) + np.array([0.25, 0.0])]


_OUTLINES: dict[str, Callable[[np.random.Generator], Outline]] = {
    "disc": _disc,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "ring": _ring,
    "cross": _cross,
    "heart": _heart,
    "crescent": _crescent,
}

CLASS_NAMES: tuple[str, ...] = tuple(_OUTLINES)
"""The demo classes in the order of their class ids."""


def outline(class_id: int, size: float, rng: np.random.Generator) -> Outline:
    """A turned and stretched outline of the class, in pixels about the origin, about `size` pixels across."""
    aspect = np.exp(rng.uniform(-0.25, 0.25))
    angle = rng.uniform(0, 2 * np.pi)
    cos, sin = np.cos(angle), np.sin(angle)
    polygons = []
    for polygon in _OUTLINES[CLASS_NAMES[class_id]](rng):
        x, y = polygon[:, 0] * aspect, polygon[:, 1] / aspect
        polygons.append(np.stack([cos * x - sin * y, sin * x + cos * y], axis=1) * (size / 2))
    return polygons
