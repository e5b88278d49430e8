"""Nodes that break their operator's own description: the number of inputs and outputs, the attributes and their types.

ONNX's shape inference trusts in that and reads beyond its memory otherwise, so it is not asked about such a graph.
"""

from collections.abc import Iterator

import onnx
from onnx.checker import C, ValidationError

from exporter.graph import walk
from exporter.graph.facts import DEFAULT

BITS_31 = 2**31 - 1
BRANCHES = {"If": (1, ("then_branch", "else_branch")), "Loop": (2, ("body",)), "Scan": (1, ("body",))}
"""Operators with graphs inside: how many inputs they need, and the graphs. The checker would want the names around."""


def invalid_nodes(model: onnx.ModelProto) -> Iterator[tuple[onnx.NodeProto, str]]:
    """Each invalid node with what ONNX's checker says of it. Operators that ONNX does not know have no description."""
    # ONNX's checker holds versions in 31 bits, and names in UTF-8; a damaged file may hold any.
    own = (entry for entry in model.opset_import if entry.domain in DEFAULT)
    versions = {entry.domain: min(max(entry.version, 0), BITS_31) for entry in own}
    context = C.CheckerContext()
    context.ir_version, context.opset_imports = min(max(model.ir_version, 4), BITS_31), versions
    version = versions.get("", versions.get("ai.onnx", 0))
    for node in walk.nodes(model.graph.node):
        if node.domain not in DEFAULT or not _known(node.op_type, version):
            continue
        if node.op_type in BRANCHES:
            least, wanted = BRANCHES[node.op_type]
            inside = {a.name for a in node.attribute if a.type == onnx.AttributeProto.GRAPH and a.HasField("g")}
            if len(node.input) < least or not inside.issuperset(wanted):
                yield node, f"{node.op_type} needs {least} inputs and the graphs {', '.join(wanted)}"
            continue
        try:
            onnx.checker.check_node(node, context)
        except (ValidationError, ValueError, RuntimeError) as error:
            yield node, str(error).splitlines()[0].removesuffix(".")


def _known(operator: str, version: int) -> bool:
    try:
        onnx.defs.get_schema(operator, max_inclusive_version=version)
    except onnx.defs.SchemaError:
        return False
    return True
