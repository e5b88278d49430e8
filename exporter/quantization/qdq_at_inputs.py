"""Q/DQ pairs at the inputs of convolutions and nowhere else, as NVIDIA's packages place them.

Symmetric int8: activations have one scale for a tensor, weights one for each output channel, biases stay in float. What
computes between two convolutions is left to the engine, which may fuse it into one of them or move a pair across it.
"""

from collections.abc import Mapping

import numpy as np
import onnx
import onnx_ir as ir

from exporter.quantization import scheme


def insert_at_inputs(model: onnx.ModelProto, limits: Mapping[str, float]) -> onnx.ModelProto:
    """A copy of `model` (float32, unique names) in which the convolutions of these names read integers.

    limits: by name, the largest magnitude of the convolution's input that has an integer of its own; its weights, which
    must be constant and finite, take all they hold. A tensor that several read has one pair, as far as they agree.
    """
    changed = ir.from_proto(model)
    graph = changed.graph
    pairs: dict[tuple[ir.Value, float], ir.Value] = {}
    for node in list(graph):
        limit = limits.get(node.name or "")
        if limit is None:
            continue
        read = node.inputs[0]
        assert read is not None  # of a convolution
        if (read, limit) not in pairs:
            taken = any(value is read for value, _ in pairs)
            name = f"{node.name}/{read.name}" if taken else str(read.name)
            scale, zero_point = scheme.activation(-limit, limit, scheme.S8S8)
            parameters = [_constant(graph, f"{name}/scale", scale), _constant(graph, f"{name}/zero_point", zero_point)]
            integers = _linear(graph, node, "Quantize", [read, *parameters], name)
            pairs[read, limit] = _linear(graph, node, "Dequantize", [integers, *parameters], name)
        node.replace_input_with(0, pairs[read, limit])
        _quantize_weights(graph, node)
    for name, value in list(graph.initializers.items()):
        if not value.uses() and not value.is_graph_output():
            del graph.initializers[name]
    return ir.to_proto(changed)


def _quantize_weights(graph: ir.Graph, node: ir.Node) -> None:
    weight = node.inputs[1]
    assert weight is not None and weight.const_value is not None  # the policy chooses no others
    axis = 0 if node.op_type == "Conv" else 1
    integers, scale = scheme.weight(weight.const_value.numpy(), axis, scheme.FULL_RANGE)
    name = str(weight.name) if len(weight.uses()) == 1 else f"{node.name}/{weight.name}"  # shared: each has its own
    parts = {"quantized": integers, "scale": scale, "zero_point": np.zeros(scale.shape, integers.dtype)}
    inputs = [_constant(graph, f"{name}/{part}", array) for part, array in parts.items()]
    node.replace_input_with(1, _linear(graph, node, "Dequantize", inputs, name, axis=axis))


def _constant(graph: ir.Graph, name: str, array: np.ndarray) -> ir.Value:
    value = ir.Value(name=name, const_value=ir.tensor(array, name=name))
    graph.register_initializer(value)
    return value


def _linear(
    graph: ir.Graph, before: ir.Node, kind: str, inputs: list[ir.Value], name: str, **attributes: int
) -> ir.Value:
    """What the new node gives: `name`/quantized or `name`/dequantized."""
    node = ir.node(f"{kind}Linear", inputs, attributes, name=f"{name}/{kind}Linear")
    node.outputs[0].name = f"{name}/{kind.lower()}d"
    graph.insert_before(before, node)
    return node.outputs[0]
