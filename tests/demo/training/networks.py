"""The networks that the demo can train, and what they are fed."""

import numpy as np
import torch
from torch import Tensor

from exporter.model.architectures import ARCHITECTURES
from exporter.model.dfl import DflDetector


def create(architecture: str, num_classes: int) -> DflDetector:
    """One of `ARCHITECTURES` in training layout with fresh weights. Raises TypeError for a network of another head."""
    network = ARCHITECTURES[architecture].create(num_classes)
    if not isinstance(network, DflDetector):
        raise TypeError(f"{architecture}: the demo's loss needs a head of distance distributions")
    return network


def network_input(architecture: str, images: np.ndarray) -> Tensor:
    """uint8 [B, H, W, 3] RGB → float32 [B, 3, H, W], normalised as the recipes of that architecture do."""
    normalization = ARCHITECTURES[architecture].preprocessing.normalization
    return torch.from_numpy(np.ascontiguousarray(normalization.apply(images.transpose(0, 3, 1, 2))))
