"""What `load()` of a model node gives."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from exporter.manifest import Weights


@dataclass(frozen=True)
class LoadedModel:
    """A network of the contract, ready to be traced: `network` in eval mode with its branches fused,
    images [B, 3, H, W] → (boxes [B, N, 4], scores [B, N, C])."""

    name: str
    network: "nn.Module"
    class_names: tuple[str, ...]
    parameters: int
    weights: "Weights"
    preprocessing: Any  # the node that describes how the network was trained, or None where nobody knows

    @property
    def num_classes(self) -> int:
        return len(self.class_names)
