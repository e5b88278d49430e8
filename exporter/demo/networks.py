"""The networks that the demo can train."""

from exporter.model.architectures import ARCHITECTURES
from exporter.model.dfl import DflDetector


def create(architecture: str, num_classes: int) -> DflDetector:
    """One of `ARCHITECTURES` in training layout with fresh weights. Raises TypeError for a network of another head."""
    network = ARCHITECTURES[architecture].create(num_classes)
    if not isinstance(network, DflDetector):
        raise TypeError(f"{architecture}: the demo's loss needs a head of distance distributions")
    return network
