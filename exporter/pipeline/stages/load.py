"""The network, and what is known of it."""

from typing import TYPE_CHECKING

from exporter.common.heap import trim

if TYPE_CHECKING:
    from exporter.model.loaded import LoadedModel, Loads, ModelFacts


def load(model: "Loads") -> "LoadedModel":
    """Reads or makes the weights."""
    loaded = model.load()
    trim()
    return loaded


def facts(network: "LoadedModel") -> "ModelFacts":
    """What is known of it."""
    return network.facts
