"""float16: numbers that it cannot hold."""

from collections.abc import Iterator

import numpy as np
from onnx import TensorProto

from exporter.backend.lint.view import View, label
from exporter.graph.core_outputs import PLUGIN
from exporter.graph.walk import attribute

LARGEST = float(np.finfo(np.float16).max)
NMS = ("NonMaxSuppression", PLUGIN)


def overflow(view: View) -> Iterator[tuple[str, str]]:
    """Constants that are infinite in float16, or become so in a Cast to it."""
    names = [*view.initializers, *(n.output[0] for n in view.nodes if n.op_type == "Constant" and n.output)]
    for name in names:
        readers = view.consumers.get(name, [])
        if view.types.get(name) == TensorProto.FLOAT16:
            values = view.array(name)
            if values is not None and np.isinf(values).any():
                yield name, "holds infinity: it was made from numbers beyond 65504"
        elif view.types.get(name) == TensorProto.FLOAT:
            for node, _ in readers:
                if node.op_type == "Cast" and attribute(node, "to") == TensorProto.FLOAT16:
                    values = view.array(name)
                    if values is not None and values.size and np.abs(values).max() > LARGEST:
                        yield label(node), f"casts {name}, which goes to {np.abs(values).max():g}, to float16"


def boxes(view: View) -> Iterator[tuple[str, str]]:
    """Boxes in pixels that reach an NMS as float16, whose numbers from 1024 on are whole pixels, from 2048 on two."""
    for node in view.nodes:
        if node.op_type in NMS and node.input and view.types.get(node.input[0]) == TensorProto.FLOAT16:
            yield label(node), f"its boxes {node.input[0]} are float16"
