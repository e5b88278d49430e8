"""Model-local functions written out into nodes, as the engine's parser reads them."""

import onnx
from onnx.inliner import inline_local_functions

from exporter.common.errors import RequestError
from exporter.graph import walk

MAX_NODES = 1_000_000
"""A few nested functions can stand for more nodes than any memory holds."""
MAX_DEPTH = 100


def inlined(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without functions. Raises RequestError where it would grow beyond `MAX_NODES`, or where they call each
    other without end."""
    if not model.functions:
        return model
    bodies = {(f.domain, f.name): list(walk.nodes(f.node)) for f in model.functions}
    sizes: dict[tuple[str, str], int] = {}

    def size(node: onnx.NodeProto, depth: int) -> int:
        key = (node.domain, node.op_type)
        if key in bodies and key not in sizes:
            if depth == MAX_DEPTH:
                raise RequestError(
                    f"its functions call each other more than {MAX_DEPTH} deep: simplify the model first"
                )
            sizes[key] = sum(size(inner, depth + 1) for inner in bodies[key])
        return sizes.get(key, 1)

    total = sum(size(node, 0) for node in walk.nodes(model.graph.node))
    if total > MAX_NODES:
        raise RequestError(f"with its functions written out it has {total} nodes, more than {MAX_NODES}")
    try:
        return inline_local_functions(model)
    except (RuntimeError, ValueError, onnx.checker.ValidationError) as error:
        raise RequestError(f"its functions cannot be written out: {str(error).splitlines()[0]}") from error
