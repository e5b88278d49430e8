"""Lets nodes of a float32 graph compute in float16, with casts where they meet the rest.

A node can where ONNX lets the type of its result follow that of what it reads: convolutions, activations, additions and
whatever moves values do, while the scales of a Resize, indices and shapes keep types of their own. That is read from
the operators' own definitions, so no list of operators has to be kept up.

By default those nodes do that lead to the last convolutions, and after these such as only move values: what decodes
(softmax, sigmoid, arithmetic with anchors) stays in float32, and the casts stand as near to the outputs as they can.
Normalisations over a layer stay in float32 too: their variance has few digits in float16, and overflows at 256.
"""

from collections.abc import Collection

import numpy as np
import onnx
import onnx_ir as ir

from exporter.graph.normalizations import normalizations
from exporter.graph.operators import MOVING, WEIGHTED

_MOVING = {*MOVING, "Concat", "Identity"}
Slots = tuple[list[int], list[int]]


def nodes_in_fp16(model: onnx.ModelProto, left: Collection[str] = ()) -> list[str]:
    """The names, in graph order, of the nodes that compute in float16 when those in `left` stay in float32. An operator
    that only moves values behind the last convolutions joins where all that it reads is in float16: rounding what a
    node in float32 gives on its last steps would make it worse for nothing."""
    able = _able(ir.from_proto(onnx.shape_inference.infer_shapes(model)))
    trunk = _trunk(able) - normalizations(able)
    chosen: set[ir.Node] = set()
    for node, slots in able.items():
        sources = [value for value in (node.inputs[i] for i in slots[0]) if value is not None]
        follows = node.op_type in _MOVING and all(value.producer() in chosen for value in sources)
        if slots[0] and node.name not in left and (node in trunk or follows):
            chosen.add(node)
    return [node.name or "" for node in able if node in chosen]


def reads_and_writes(model: onnx.ModelProto, nodes: Collection[str]) -> dict[str, list[str]]:
    """Of each of these nodes the names of the tensors that become float16 with it, weights included."""
    wanted = set(nodes)
    found = {}
    for node, (inputs, outputs) in _able(ir.from_proto(onnx.shape_inference.infer_shapes(model))).items():
        if node.name in wanted:
            values = [*(node.inputs[i] for i in inputs), *(node.outputs[i] for i in outputs)]
            found[node.name] = [value.name for value in values if value is not None and value.name]
    return found


def to_fp16(model: onnx.ModelProto, nodes: Collection[str]) -> onnx.ModelProto:
    """A copy of `model` (float32, unique names) in which these nodes, of `nodes_in_fp16`, compute in float16.

    Weights are rounded to the nearest float16 and stored so; they must be within ±65504. A value that crosses the
    border is cast once, however many read it. Inputs and outputs of the graph keep their names and stay float32: what
    the output `t` was computed as becomes `t/float16`; elsewhere the cast of a value `t` is `t/float16` or `t/float32`.
    """
    converted = ir.from_proto(onnx.shape_inference.infer_shapes(model))
    graph = converted.graph
    wanted = set(nodes)
    members = {node: slots for node, slots in _able(converted).items() if node.name in wanted}
    fp16_values: dict[ir.Value, ir.Value] = {}
    for node, (inputs, outputs) in members.items():
        for i in inputs:
            value = node.inputs[i]
            if value is None or value.producer() in members:
                continue
            if value not in fp16_values:
                fp16_values[value] = _stored(value) if value.is_initializer() else _cast(value, ir.DataType.FLOAT16)
                if (cast := fp16_values[value].producer()) is not None:
                    graph.insert_before(node, cast)
                else:
                    graph.register_initializer(fp16_values[value])
            node.replace_input_with(i, fp16_values[value])
        for i in outputs:
            node.outputs[i].dtype = ir.DataType.FLOAT16
    for node, (_, outputs) in members.items():
        for i in outputs:
            _give_float32(graph, node.outputs[i], members)
    for value, fp16_value in fp16_values.items():
        if value.is_initializer() and not value.uses() and not value.is_graph_output():
            name = value.name or ""
            del graph.initializers[name]
            fp16_value.name = name
    return ir.to_proto(converted)


def _able(model: ir.Model) -> dict[ir.Node, Slots]:
    """Each node in graph order, with the positions of its float32 inputs and outputs that can become float16 together;
    both empty where it cannot. QuantizeLinear alone has no such output: what it gives are integers in any case."""
    return {node: _slots(node, model.graph.opset_imports) for node in model.graph}


def _slots(node: ir.Node, opsets: dict[str, int]) -> Slots:
    kinds = (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)
    try:
        schema = onnx.defs.get_schema(node.op_type, opsets[node.domain], node.domain)
    except (onnx.defs.SchemaError, KeyError):
        return [], []  # an operator of somebody's own: nobody knows what it takes
    if any(attribute.type in kinds for attribute in node.attributes.values()):
        return [], []
    formal = [[parameter.type_str for parameter in parameters] for parameters in (schema.inputs, schema.outputs)]
    variables = {
        constraint.type_param_str
        for constraint in schema.type_constraints
        if "tensor(float16)" in constraint.allowed_type_strs
    }
    quantizes = node.op_type == "QuantizeLinear"
    common = variables.intersection(*(formal[:1] if quantizes else formal))
    inputs, outputs = (
        [
            i
            for i, value in enumerate(values)  # the last formal parameter may stand for any number of values
            if value is not None and value.dtype == ir.DataType.FLOAT and types[min(i, len(types) - 1)] in common
        ]
        for values, types in zip((node.inputs, node.outputs), formal, strict=True)
    )
    return (inputs, outputs) if inputs and (outputs or quantizes) else ([], [])


def _trunk(nodes: Collection[ir.Node]) -> set[ir.Node]:
    """The convolutions and what leads to them. A convolution that reads a softmax is the expectation of a distribution
    in the shape of a convolution and belongs to the decoding."""
    spread: set[ir.Node] = set()
    for node in nodes:
        before = [value.producer() for value in node.inputs[:1] if value is not None]
        if node.op_type == "Softmax" or (node.op_type in _MOVING and before[0] in spread):
            spread.add(node)
    trunk: set[ir.Node] = set()
    for node in reversed(list(nodes)):
        decodes = node.inputs and node.inputs[0] is not None and node.inputs[0].producer() in spread
        if (node.op_type in WEIGHTED and not decodes) or any(user in trunk for user in node.successors()):
            trunk.add(node)
    return trunk


def _stored(value: ir.Value) -> ir.Value:
    assert value.const_value is not None  # an initializer of a whole graph has its numbers
    tensor = ir.tensor(value.const_value.numpy().astype(np.float16), name=f"{value.name}/float16")
    return ir.Value(name=tensor.name, type=ir.TensorType(tensor.dtype), shape=value.shape, const_value=tensor)


def _cast(value: ir.Value, to: ir.DataType) -> ir.Value:
    node = ir.node("Cast", [value], {"to": int(to)}, name=f"{value.name}/Cast")
    (result,) = node.outputs
    result.name = f"{value.name}/{'float16' if to == ir.DataType.FLOAT16 else 'float32'}"
    result.shape, result.type = value.shape, ir.TensorType(to)
    return result


def _give_float32(graph: ir.Graph, value: ir.Value, members: Collection[ir.Node]) -> None:
    """Casts what a member computed for the outputs of the graph and the nodes in float32 that read it."""
    producer, name = value.producer(), value.name
    outside = [use for use in value.uses() if use.node not in members]
    if producer is None or not (outside or value.is_graph_output()):
        return
    result = _cast(value, ir.DataType.FLOAT)
    cast = result.producer()
    assert cast is not None
    graph.insert_after(producer, cast)
    for use in outside:
        use.node.replace_input_with(use.idx, result)
    if value.is_graph_output():
        value.name, result.name = f"{name}/float16", name
        for i, output in enumerate(graph.outputs):
            if output is value:
                graph.outputs[i] = result
