"""Marks what was quantized before the exporter got it, and is to be taken as it is.

Its weights have all eight bits, so on CPUs that add products up in 16 bits the order of channels and the kernel that
runs a layer change what comes out: the artifact is the file only where nothing moves.
"""

import onnx_ir as ir

_MARK = "given/"  # the names of its DequantizeLinear nodes begin so


def mark(node: ir.Node) -> None:
    """Marks a node of a graph that came as it is, in place."""
    if node.op_type == "DequantizeLinear" and not came_quantized(node):
        node.name = f"{_MARK}{node.name or node.op_type}"


def came_quantized(node: ir.Node) -> bool:
    """Whether a DequantizeLinear is marked."""
    return (node.name or "").startswith(_MARK)
