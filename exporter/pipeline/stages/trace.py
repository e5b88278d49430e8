"""The network as a graph."""

from typing import TYPE_CHECKING

from exporter.common.heap import trim

if TYPE_CHECKING:
    import onnx
    from torch import nn

    from exporter.config.settings import Export
    from exporter.model.declared_network import DeclaredNetwork
    from exporter.model.loaded import LoadedModel
    from exporter.preprocessing.input import Input


def trace(network: "LoadedModel", export: "Export", input: "Input") -> "onnx.ModelProto":
    """See `core_graph`."""
    trim()
    core = core_graph(network.network, export, input)
    trim()
    return core


def core_graph(network: "nn.Module | DeclaredNetwork", export: "Export", input: "Input") -> "onnx.ModelProto":
    """The network (eval mode, fused, or a graph already) as a pure graph, float32, simplified where that is wanted."""
    from torch import nn

    from exporter.graph.clean import simplify
    from exporter.graph.trace import trace

    if isinstance(network, nn.Module):
        core = trace(network, input.fixed_batch, *input.fixed, export.opset, export.options, export.device)
    else:  # its own code is part of what its loading depends on
        core = network.core(export.opset, input.fixed_batch, *input.fixed, export.options, export.device)
    return simplify(core) if export.simplify else core
