"""What `load()` of a model node gives."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import nn

    from exporter.model.declared_network import DeclaredNetwork
    from exporter.model.section import Weights


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a network without having it at hand. unordered: whether it gives a set of boxes, whose order
    means nothing and may change by rounding (DETRs, end-to-end heads)."""

    name: str
    class_names: tuple[str, ...]
    parameters: int
    weights: "Weights"
    unordered: bool = field(default=False, kw_only=True)

    @property
    def num_classes(self) -> int:
        return len(self.class_names)


@dataclass(frozen=True)
class LoadedModel(ModelFacts):
    """A network of the contract: `network` takes images [B, 3, H, W] and gives (boxes [B, N, 4], scores [B, N, C]). It
    is in eval mode with its branches fused, ready to be traced, or a graph already."""

    network: "nn.Module | DeclaredNetwork"

    @property
    def facts(self) -> ModelFacts:
        """What is known of it, without the network."""
        return ModelFacts(self.name, self.class_names, self.parameters, self.weights, unordered=self.unordered)


class Loads(Protocol):
    """What gives one."""

    def load(self) -> LoadedModel:
        """Reads or makes it. Raises RequestError where it cannot be had."""
        ...
