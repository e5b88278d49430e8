"""Whether calibration pictures fill the layers, or leave scales that cut off what every other picture holds.

Blank pictures, pictures of one grey and pictures that were normalised twice pass through a network without an error and
give it scales of next to nothing. What a layer can hold is seen on probes (`exporter.quantization.probes`). A single
real scene fills at least a quarter of that in every layer of the networks here, and scenes at a quarter of their
brightness a seventh; an eighth costs three of the eight bits.
"""

from collections.abc import Mapping

import numpy as np
import onnx

from exporter.common.errors import RequestError
from exporter.quantization import observe
from exporter.quantization.probes import probes
from exporter.quantization.statistics import Statistics
from exporter.quantization.task import Task

SHARE = 1 / 8
_SHOWN = 4


def check_filled(task: Task, core: onnx.ModelProto, seen: Mapping[str, Statistics]) -> None:
    """Raises RequestError that names the tensors of `core` whose values in `seen` span less than SHARE of what they
    span on probes. Those that are constant there too are no fault of the pictures."""
    assert task.normalization is not None
    low_high = np.stack(list(observe.extremes(core, list(seen), probes(core, task.size, task.normalization))))
    possible = low_high[:, :, 1].max(axis=0) - low_high[:, :, 0].min(axis=0)  # [tensors]
    collapsed = [
        name for name, most in zip(seen, possible, strict=True) if seen[name].high - seen[name].low < SHARE * most
    ]
    if collapsed:
        shown = ", ".join(collapsed[:_SHOWN]) + (" …" if len(collapsed) > _SHOWN else "")
        raise RequestError(
            f"calibration: in {len(collapsed)} of {len(seen)} layers ({shown}) the pictures span less than an eighth of"
            " what scenes and noise do, so INT8 would cut off the rest: see that they are not blank, all alike or"
            " normalised twice, or keep these layers in float with quantization.exclude"
        )
