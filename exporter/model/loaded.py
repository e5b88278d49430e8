"""What `load()` of a model node gives."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from exporter.common.errors import RequestError

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


def names_of_classes(
    count: int, given: tuple[str, ...] | Literal["auto"], own: tuple[str, ...] | None, label: str
) -> tuple[str, ...]:
    """Those of the recipe; with auto the weights' `own`, else class_0, class_1, … Raises RequestError for any other
    number than `count`; label: what has the weights."""
    if given == "auto":
        if own is not None and len(own) != count:
            raise RequestError(
                f"{label}: names {len(own)} classes and predicts {count}: set model.class_names to {count} names"
            )
        return own or tuple(f"class_{i}" for i in range(count))
    if len(given) != count:
        raise RequestError(f"model.class_names: {len(given)} names for {count} classes: give {count}, or auto")
    return given


class Loads(Protocol):
    """What gives one."""

    def load(self) -> LoadedModel:
        """Reads or makes it. Raises RequestError where it cannot be had."""
        ...
