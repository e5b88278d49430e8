"""The network, and what is known of it."""

from exporter.heap import trim
from exporter.model.loaded import LoadedModel, ModelFacts
from exporter.recipe import Recipe


def load(recipe: Recipe) -> LoadedModel:
    """Reads the recipe's `model`."""
    loaded = recipe.model.load()
    trim()
    return loaded


def facts(network: LoadedModel) -> ModelFacts:
    """What is known of it."""
    return network.facts
