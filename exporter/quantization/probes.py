"""Images that show what a network's layers can hold, whatever it was trained on."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import onnx

    from exporter.preprocessing.own_normalization import AnyNormalization

NUM_SYNTHETIC = 4
DESCRIPTION = f"{NUM_SYNTHETIC} demo scenes, noise, black, white"


def probes(
    core: "onnx.ModelProto", size: tuple[int, int] | None, normalization: "AnyNormalization"
) -> "Iterator[np.ndarray]":
    """float32 [1, 3, H, W] each, normalised, of this height and width (None: those of the core's input)."""
    import numpy as np

    yield from synthetic(core, size, normalization)
    height, width = _sides(core, size)
    images = [np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)]
    images += [np.full((height, width, 3), value, np.uint8) for value in (0, 255)]
    for image in images:
        yield normalization.apply(image.transpose(2, 0, 1)[None])


def synthetic(
    core: "onnx.ModelProto", size: tuple[int, int] | None, normalization: "AnyNormalization"
) -> "Iterator[np.ndarray]":
    """Those among them that look like something."""
    from exporter.demo.scenes import scene

    for i in range(NUM_SYNTHETIC):
        yield normalization.apply(scene("calibration", i, *_sides(core, size)).image.transpose(2, 0, 1)[None])


def _sides(core: "onnx.ModelProto", size: tuple[int, int] | None) -> tuple[int, int]:
    height, width = size or (dim.dim_value for dim in core.graph.input[0].type.tensor_type.shape.dim[2:])
    return height, width
