"""Whether calibration images fill the layers, or leave scales that cut off what every other image holds.

Blank images, images of one grey and images that were normalised twice pass through a network without an error and
give it scales of next to nothing. What a layer can hold is seen on synthetic images (not on noise or white: on those a
trained YOLOv9 holds more than eight times what it does on any image). A single one fills at least a quarter of that in
every layer of the networks here, and synthetic images at a quarter of their brightness a seventh; an eighth costs three
of the eight bits.
"""

from collections.abc import Mapping

import numpy as np
import onnx

from exporter.common.errors import RequestError
from exporter.quantization import observe
from exporter.quantization.probes import synthetic
from exporter.quantization.statistics import Statistics
from exporter.quantization.task import Task

SHARE = 1 / 8
_SHOWN = 4


def check_filled(task: Task, core: onnx.ModelProto, seen: Mapping[str, Statistics]) -> None:
    """Raises RequestError that names the tensors of `core` whose values in `seen` span less than SHARE of what they
    span on synthetic images. Those that are constant there too are no fault of the images."""
    assert task.normalization is not None
    low_high = np.stack(list(observe.extremes(core, list(seen), synthetic(core, task.size, task.normalization))))
    possible = low_high[:, :, 1].max(axis=0) - low_high[:, :, 0].min(axis=0)  # [tensors]
    degenerate = [
        name for name, most in zip(seen, possible, strict=True) if seen[name].high - seen[name].low < SHARE * most
    ]
    if degenerate:
        shown = ", ".join(degenerate[:_SHOWN]) + (" …" if len(degenerate) > _SHOWN else "")
        raise RequestError(
            f"calibration: in {len(degenerate)} of {len(seen)} layers ({shown}) the images span less than an eighth of"
            " what synthetic images do, so INT8 would cut off the rest: see that they are not blank, all alike"
            " or normalised twice, or keep these layers in float with quantization.exclude"
        )
