"""Finds layer normalisations, which divide by the standard deviation of what they read: (x - mean) / sqrt(var + ε).

As one operator, or as tools write it in opset 16 and below, and torch's old exporter in any:

    mean = ReduceMean(x); d = Sub(x, mean); var = ReduceMean(Pow(d, 2) or Mul(d, d)); y = Div(d, Sqrt(Add(var, ε)))
"""

from collections.abc import Iterable

import onnx_ir as ir

OPERATORS = ("LayerNormalization", "RMSNormalization", "InstanceNormalization", "GroupNormalization")


def normalizations(nodes: Iterable[ir.Node]) -> set[ir.Node]:
    """All nodes that belong to one, besides the scale and offset behind it."""
    found: set[ir.Node] = set()
    for node in nodes:
        if node.op_type in OPERATORS:
            found.add(node)
        elif node.op_type == "Div":
            found |= _written_out(node)
    return found


def _written_out(division: ir.Node) -> set[ir.Node]:
    """The nodes of the one that ends in this division; none where it is another division."""
    centred, root = (_producer(division, i) for i in (0, 1))
    added = _producer(root, 0, "Sqrt")
    variance = next((each for each in (_producer(added, i, "Add") for i in (0, 1)) if each is not None), None)
    square = _producer(variance, 0, "ReduceMean")
    if centred is None or centred.op_type != "Sub" or square is None or square.op_type not in ("Pow", "Mul"):
        return set()
    if _producer(square, 0) is not centred:
        return set()
    mean = _producer(centred, 1)
    chain = [division, root, added, variance, square, centred]
    chain += [mean] if mean is not None and mean.op_type == "ReduceMean" else []
    return {node for node in chain if node is not None}


def _producer(node: ir.Node | None, index: int, op_type: str | None = None) -> ir.Node | None:
    """What computes an input of a node of this kind."""
    if node is None or (op_type and node.op_type != op_type) or index >= len(node.inputs):
        return None
    value = node.inputs[index]
    return None if value is None else value.producer()
