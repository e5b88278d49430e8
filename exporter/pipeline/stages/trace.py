"""The network as a graph."""

import onnx
from torch import nn

from exporter.common.heap import trim
from exporter.config.recipe import Recipe
from exporter.graph.clean import simplify
from exporter.graph.trace import trace
from exporter.model.graph_network import GraphNetwork
from exporter.model.loaded import LoadedModel


def traced(network: LoadedModel, recipe: Recipe) -> onnx.ModelProto:
    """See `core_graph`."""
    trim()
    core = core_graph(network.network, recipe)
    trim()
    return core


def core_graph(network: nn.Module | GraphNetwork, recipe: Recipe) -> onnx.ModelProto:
    """The network (eval mode, fused, or a graph already) as a pure graph, float32, simplified where that is wanted.
    Reads the recipe's `input` and `export`."""
    if isinstance(network, GraphNetwork):
        core = network.core(recipe.export.opset, recipe.num_batch, *recipe.input.fixed)
    else:
        core = trace(
            network, recipe.num_batch, *recipe.input.fixed, recipe.export.opset, recipe.export.options,
            recipe.export.device,
        )  # fmt: skip
    return simplify(core) if recipe.export.simplify else core
