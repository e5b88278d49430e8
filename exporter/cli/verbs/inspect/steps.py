"""Steps of a checkpoint's pre-processing in words."""

from typing import Any

from exporter.model.stored import Step

MEANINGS = {
    "ReverseImageChannels": "channels in reverse order: RGB becomes BGR",
    "StandardizeImage": "divided by {max_value}",
    "NormalizeImage": "minus the mean {mean}, divided by {std}, a number for each channel",
    "DetectionLongestMaxSizeRescale": "scaled to fit into {output_shape}, proportions kept",
    "DetectionRescale": "stretched to {output_shape}",
    "DetectionCenterPadding": "padded on all sides to {output_shape} with {pad_value}",
    "DetectionBottomRightPadding": "padded below and at the right to {output_shape} with {pad_value}",
    "DetectionAutoPadding": "padded below and at the right to multiples of {shape_multiple} with {pad_value}",
    "ImagePermute": "axes in the order {permutation}",
}


def in_words(step: Step) -> str:
    """One line: what the step does, and its name; of one that is not known the name and what it is made with."""
    shown = {name: _shown(value, name) for name, value in step.parameters.items()}
    try:
        return f"{MEANINGS[step.name].format(**shown)} ({step.name})"
    except KeyError:  # of another step, or without one of its parameters
        made_with = ", ".join(f"{name}={value}" for name, value in shown.items())
        return f"{step.name}({made_with})"


def _shown(value: Any, name: str) -> str:
    if name in ("output_shape", "shape_multiple") and isinstance(value, list):
        return " × ".join(str(side)[:20] for side in value[:5])
    return str(value)[:60]
