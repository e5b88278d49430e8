"""What NVIDIA's own parser says of somebody's file, in one line: it is asked in a process of its own."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import onnx

SECONDS = 120
"""For one file."""


class Said(NamedTuple):
    """refuses: whether the file is not taken; line: what it said, or why it was not asked."""

    refuses: bool
    line: str


def ask_parser(model: "onnx.ModelProto") -> Said:
    """The verdict on the model, or on the part of it before its plugins."""
    from exporter.common.errors import RequestError
    from exporter.graph.before_plugins import before_plugins
    from exporter.runtime.tensorrt.library import installed

    try:
        library = installed("tensorrt_rtx")
    except RequestError as error:
        return Said(False, f"not asked: {error}")
    if library is None:
        return Said(False, "not asked: pip install exporter[tensorrt-rtx] brings it, and it needs no GPU")
    if why := _beyond(model):
        return Said(False, f"not asked: {why}")
    own = before_plugins(model)
    why = _asked(own.SerializeToString(), library.label)
    part = "it" if own is model else "the part before its plugins"
    return Said(why is not None, why or f"{library.label} takes {part}")


def _beyond(model: "onnx.ModelProto") -> str | None:
    """Why it cannot be handed over."""
    from exporter.graph.read_model import MAX_BYTES
    from exporter.graph.walk import tensors

    if any(tensor.external_data for tensor in tensors(model.graph)):
        return "the file keeps its weights beside it"
    return "the file is too large" if model.ByteSize() > MAX_BYTES else None


def _asked(content: bytes, name: str) -> str | None:
    """Why the parser, which is called `name`, does not take the model; None where it does."""
    from contextlib import closing

    import numpy as np

    from exporter.common.errors import BuildError, RequestError
    from exporter.runtime.child import Child
    from exporter.runtime.tensorrt import worker

    with closing(Child(worker.__name__, name)) as child:
        try:
            return child.ask("parse", (np.frombuffer(content, np.uint8),), SECONDS)[0]["refused"]
        except (BuildError, RequestError) as error:  # it died, or goes on and on
            return str(error)
