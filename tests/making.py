"""An artifact of a network that is loaded already, stage by stage and without a store."""

from exporter.model.loaded import LoadedModel
from exporter.progress import Progress
from exporter.recipe import Recipe
from exporter.stages.finish import finished
from exporter.stages.quantize import quantize
from exporter.stages.trace import core_graph


def made(loaded: LoadedModel, recipe: Recipe) -> bytes:
    """What is published for the recipe."""
    core = core_graph(loaded.network, recipe)
    quantized, _ = quantize(core, loaded, recipe, Progress(), lambda: loaded)
    return finished(quantized.model, loaded, recipe)
