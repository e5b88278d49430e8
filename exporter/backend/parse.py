"""What NVIDIA's own parser says of a graph, on any machine: TensorRT for RTX brings it, and it needs no GPU."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx


def parsed_by_nvidia(model: "onnx.ModelProto") -> str | None:
    """Who parsed the graph, and all of it or what; None where no parser is installed. TensorRT for RTX has no plugins:
    of a graph with plugins it is given the part before them.

    Raises BuildError, with what it says, where it refuses."""
    from exporter.graph.before_plugins import before_plugins
    from exporter.runtime.tensorrt.library import installed
    from exporter.runtime.tensorrt.network import parsed

    library = installed("tensorrt_rtx")
    if library is None:
        return None
    own = before_plugins(model)
    parsed(library, own.SerializeToString())
    return f"{library.label}{'' if own is model else ' (the part before its plugin)'}"
