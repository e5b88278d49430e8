"""The network, and what is known of it."""

from typing import Any

from exporter.common.heap import trim
from exporter.model.loaded import LoadedModel, ModelFacts


def load(model: Any) -> LoadedModel:
    """model: the recipe's node."""
    loaded = model.load()
    trim()
    return loaded


def facts(network: LoadedModel) -> ModelFacts:
    """What is known of it."""
    return network.facts
