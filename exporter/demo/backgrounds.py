"""Backgrounds of the synthetic images: quiet patterns in muted colours, with grain."""

import cv2
import numpy as np


def muted_pair(rng: np.random.Generator) -> np.ndarray:
    """Two related muted colours, float32 [2, 3] RGB 0..255: one synthetic image is pale, another dark."""
    hue, saturation = rng.uniform(0, 360), rng.uniform(0.03, 0.3)
    value = rng.uniform(0.78, 0.97) if rng.random() < 0.6 else rng.uniform(0.14, 0.4)
    spread = rng.uniform(0.05, 0.16)
    hsv = np.array(
        [[hue, saturation, value - spread / 2], [hue + rng.uniform(-50, 50), saturation, value + spread / 2]]
    )
    return hsv_to_rgb(hsv)


def hsv_to_rgb(hsv: np.ndarray) -> np.ndarray:
    """Colours [..., 3] of hue in degrees (any turn), saturation and value 0..1, as float32 RGB 0..255."""
    hue, saturation, value = hsv[..., :1], hsv[..., 1:2], hsv[..., 2:].clip(0, 1)
    sector = (np.array([5.0, 3.0, 1.0]) + hue / 60) % 6
    rgb = value - value * saturation * np.minimum(sector, 4 - sector).clip(0, 1)
    return (255 * rgb).astype(np.float32)


def _noise(height: int, width: int, cell: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise, float32 [height, width] within 0..1, whose blobs are about `cell` pixels across."""
    coarse = rng.random((int(height / cell) + 2, int(width / cell) + 2), dtype=np.float32)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1)


def _ramp(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Pixels along a random direction, float32 [height, width], zero at the centre of the image."""
    angle = rng.uniform(0, 2 * np.pi)
    x = np.arange(width, dtype=np.float32) - np.float32(width / 2)
    y = np.arange(height, dtype=np.float32) - np.float32(height / 2)
    return x[None, :] * np.float32(np.cos(angle)) + y[:, None] * np.float32(np.sin(angle))


def _soft_wave(phase: np.ndarray) -> np.ndarray:
    """A square wave of period 1 with softened edges, within 0..1."""
    triangle = np.abs(phase - np.floor(phase) - np.float32(0.5)) * 2
    return ((triangle - np.float32(0.5)) * 8 + np.float32(0.5)).clip(0, 1)


def _pattern(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Blend weights, float32 [height, width] within 0..1, of one of the four kinds of background."""
    kind = rng.choice(4, p=[0.4, 0.25, 0.2, 0.15])
    if kind == 0:
        return _noise(height, width, rng.uniform(24, 120), rng)
    ramp = _ramp(height, width, rng)
    if kind == 1:
        return (ramp / np.float32(max(height, width)) + np.float32(0.5)).clip(0, 1)
    period = rng.uniform(14, 80)
    stripes = _soft_wave(ramp / np.float32(period))
    if kind == 2:
        return stripes
    # Checks: two stripe directions, one flipping the other.
    across = _soft_wave(_ramp(height, width, rng) / np.float32(period))
    return stripes + across - 2 * stripes * across


def background(height: int, width: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A background, float32 [3, height, width] RGB about 0..255, and its mean colour, float32 [3]."""
    dark, light = muted_pair(rng)
    weights = _pattern(height, width, rng)
    shade = (_noise(height, width, rng.uniform(60, 200), rng) - np.float32(0.5)) * np.float32(rng.uniform(0, 40))
    grain = rng.standard_normal((height, width), dtype=np.float32) * np.float32(rng.uniform(1, 6))
    shade += grain
    image = np.empty((3, height, width), np.float32)
    for channel, low, high in zip(image, dark, light, strict=True):
        np.multiply(weights, high - low, out=channel)
        np.add(channel, low, out=channel)
        np.add(channel, shade, out=channel)
    return image, (dark + light) / 2
