"""What a torch network in memory says of itself: SuperGradients' networks keep it in attributes of their own."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from exporter.preprocessing.trained import Trained

if TYPE_CHECKING:
    from torch import nn

PROCESSING = "_image_processor"
"""Source: super_gradients.training.models.detection_models.customizable_detector (3.7.1), as are the other names."""


def trained_in_memory(network: "nn.Module") -> Trained | None:
    """Its pre-processing and thresholds; None where it says nothing."""
    from exporter.preprocessing.supergradients import trained

    said = network.__dict__
    if said.get(PROCESSING) is None:
        return None
    return trained(
        "network", list(_steps(said[PROCESSING])), said.get("_default_nms_conf"), said.get("_default_nms_iou")
    )


def names_in_memory(network: "nn.Module") -> tuple[str, ...] | None:
    """Its class names, None where it says nothing."""
    names = network.__dict__.get("_class_names")
    return tuple(map(str, names)) if names else None


def _steps(processing: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and parameters of each step, of a processing object or of one that is composed of them."""
    inner = vars(processing).get("processings")
    if inner is not None:
        for each in inner:
            yield from _steps(each)
    else:
        yield type(processing).__name__, {key: _plain(value) for key, value in vars(processing).items()}


def _plain(value: Any) -> Any:
    """Arrays as lists."""
    return value.tolist() if type(value).__module__ == "numpy" else value
