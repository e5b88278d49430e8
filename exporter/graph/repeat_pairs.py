"""Repeats a Q/DQ pair behind operators that only move values.

Some quantizers put pairs before a Concat or a MaxPool, all with one scale, and none behind: what comes out are the same
integers, and their own engine knows. ONNX Runtime computes on integers only where it finds a pair on both sides. The
pair behind changes no value: each is one of its integers already.
"""

from collections.abc import Sequence

import onnx
import onnx_ir as ir

from exporter.graph.operators import MOVING

PASSING = {*MOVING, "Concat"} - {"Resize"}
"""Operators whose results are values of what they read, and none between them."""


def repeat_pairs(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in which every result of an operator of PASSING whose parts all come out of pairs of one scale and zero
    point goes through such a pair too, unless it leaves the graph."""
    changed = ir.from_proto(model)
    for node in list(changed.graph):
        parts = node.inputs if node.op_type == "Concat" else node.inputs[:1]
        sources = [value.producer() for value in parts if value is not None]
        if node.op_type in PASSING and all(source is not None and _whole_tensor(source) for source in sources):
            parameters = [source.inputs[1:3] for source in sources if source is not None]
            if len({tuple(_number(value) for value in each) for each in parameters}) == 1:
                for value in node.outputs:
                    if value.uses() and not value.is_graph_output():
                        _insert_pair(changed.graph, node, value, parameters[0])
    return ir.to_proto(changed)


def _whole_tensor(node: ir.Node) -> bool:
    """Whether `node` makes reals with one scale and one zero point, both constant."""
    parameters = node.inputs[1:3]
    return node.op_type == "DequantizeLinear" and len(parameters) == 2 and None not in map(_number, parameters)


def _number(value: ir.Value | None) -> tuple[str, float] | None:
    """Type and value of a constant scalar."""
    tensor = value.const_value if value is not None else None
    return (str(tensor.dtype), tensor.numpy().item()) if tensor is not None and tensor.size == 1 else None


def _insert_pair(graph: ir.Graph, behind: ir.Node, value: ir.Value, parameters: Sequence[ir.Value | None]) -> None:
    users = value.uses()
    quantize = ir.node("QuantizeLinear", [value, *parameters], name=f"{value.name}/QuantizeLinear")
    quantize.outputs[0].name = f"{value.name}/quantized"
    dequantize = ir.node("DequantizeLinear", [quantize.outputs[0], *parameters], name=f"{value.name}/DequantizeLinear")
    dequantize.outputs[0].name = f"{value.name}/dequantized"
    graph.insert_after(behind, [quantize, dequantize])
    for user in users:
        user.node.replace_input_with(user.idx, dequantize.outputs[0])
