"""An artifact of a network that is loaded already, stage by stage and without a store."""

from exporter.common.progress import Progress
from exporter.config.recipe import Recipe
from exporter.model.loaded import LoadedModel
from exporter.pipeline.stages.finish import finished
from exporter.pipeline.stages.quantize import quantize
from exporter.pipeline.stages.trace import core_graph


def made(loaded: LoadedModel, recipe: Recipe) -> bytes:
    """What is published for the recipe."""
    core = core_graph(loaded.network, recipe.export, recipe.input)
    quantized, _ = quantize(core, loaded, recipe, Progress(), lambda: loaded)
    return finished(quantized.model, loaded, recipe)
