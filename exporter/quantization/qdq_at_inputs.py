"""Q/DQ pairs at the inputs of convolutions and nowhere else, as NVIDIA's packages place them.

Symmetric int8: activations have one scale for a tensor, weights one for each output channel, biases stay in float. What
computes between two convolutions is left to the engine, which may fuse it into one of them or move a pair across it.
"""

from collections.abc import Mapping

import onnx
import onnx_ir as ir

from exporter.graph.initializers import constant, drop_unused
from exporter.quantization import scheme
from exporter.quantization.qdq import axis_of_outputs, pair_node, read_integers


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
            parameters = [constant(graph, f"{name}/scale", scale), constant(graph, f"{name}/zero_point", zero_point)]
            quantize = pair_node("Quantize", [read, *parameters], name)
            dequantize = pair_node("Dequantize", [quantize.outputs[0], *parameters], name)
            graph.insert_before(node, [quantize, dequantize])
            pairs[read, limit] = dequantize.outputs[0]
        node.replace_input_with(0, pairs[read, limit])
        weight = node.inputs[1]
        assert weight is not None and weight.const_value is not None  # the policy chooses no others
        axis = axis_of_outputs(node)
        integers, scale = scheme.weight(weight.const_value.numpy(), axis)
        read_integers(graph, node, 1, integers, scale, axis)
    drop_unused(graph)
    return ir.to_proto(changed)
