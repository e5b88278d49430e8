"""The network, and what is known of it."""

from exporter.common.heap import trim
from exporter.config.recipe import Recipe
from exporter.model.loaded import LoadedModel, ModelFacts


def load(recipe: Recipe) -> LoadedModel:
    """Reads the recipe's `model`."""
    loaded = recipe.model.load()
    trim()
    return loaded


def facts(network: LoadedModel) -> ModelFacts:
    """What is known of it."""
    return network.facts
