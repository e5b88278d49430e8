"""Puts QuantizeLinear/DequantizeLinear pairs into a float graph: the one form of INT8 that every engine reads.

An engine runs an operator on integers when DequantizeLinear stands before all its inputs and QuantizeLinear after its
result. Where the pairs go therefore decides the speed:

- the result of every quantized node carries a pair, and so does every float tensor that such a node reads; for engines
  that fuse activations results are left out that nobody reads as integers (`Scheme.fused`);
- linear layers are the exception: their results are float, as is what reads them (a bias, LayerNorm, an activation);
- a Relu belongs to the operator before it: one pair, after the Relu. Without negative values the zero point is the
  lowest integer, so rounding to integers is the Relu;
- an operator that only moves values (MaxPool, DepthToSpace …) reads and writes with one scale: the same integers
  come out. So does a Concat, where the zero points agree: else it would have to convert every value;
- multiplying by one positive number before an Add is no operation: the same integers are read with another scale,
  a · (s · q) = (a · s) · q.

Names: the integers of a tensor t are `t/quantized`, its numbers `t/scale` and `t/zero_point`, the reals that come out
of the pair `t/dequantized`; a bias b that was corrected and stays in float is `b/corrected`.
"""

from collections.abc import Collection, Mapping

import numpy as np
import onnx
import onnx_ir as ir

from exporter.common.errors import BuildError
from exporter.graph.initializers import constant, drop_unused
from exporter.graph.operators import LINEAR, MOVING, WEIGHTED
from exporter.quantization import scheme as numbers
from exporter.quantization.bias_correction import correction
from exporter.quantization.scheme import Scheme

Ranges = Mapping[str, tuple[float, float]]
Means = Mapping[str, np.ndarray]


def tensors_with_pairs(model: onnx.ModelProto, nodes: Collection[str], fused: bool = False) -> list[str]:
    """The names, in graph order, of the activations that get a pair when the nodes of these names are quantized; fused:
    see `Scheme`."""
    return [_name(value) for value in _Placement(ir.from_proto(model).graph, nodes, fused).paired]


def insert(
    model: onnx.ModelProto, nodes: Collection[str], ranges: Ranges, scheme: Scheme, means: Means | None = None
) -> onnx.ModelProto:
    """A copy of `model` (float32, unique names) in which the nodes of these names work on integers.

    ranges: the lowest and highest value of each of `tensors_with_pairs`. means: of each channel, [C], of what the
    convolutions read, by tensor; with them biases are corrected, see `exporter.quantization.bias_correction`. Raises
    BuildError for weights that are not finite.
    """
    quantized = ir.from_proto(model)
    graph = quantized.graph
    placement = _Placement(graph, nodes, scheme.fused)
    common = placement.common_ranges(ranges, share_all=scheme.symmetric)
    scales = {}
    for value in placement.paired:
        scale, zero_point = numbers.activation(*common[value], scheme)
        scales[value] = scale
        _insert_pair(graph, value, scale, zero_point, placement)
    for node in placement.nodes:
        if node.op_type in (*WEIGHTED, *LINEAR):
            value = placement.reads[node]
            mean = means[_name(value)] if means and node.op_type in WEIGHTED else None
            _quantize_weights(graph, node, scales[value], scheme, mean)
    drop_unused(graph)
    return ir.to_proto(quantized)


class _Placement:
    """Where the pairs go. `nodes`: the quantized nodes in graph order; `paired`: the tensors with a pair, as they are
    met in it; `reads`: the first input of each node; `gains`: (Mul, number) by the tensor that they read."""

    def __init__(self, graph: ir.Graph, names: Collection[str], fused: bool):
        wanted = set(names)
        self.nodes = [node for node in graph if node.name in wanted]
        self.members = set(self.nodes)
        self.reads = {node: _activations(node)[0] for node in self.nodes}
        self.gains: dict[ir.Value, list[tuple[ir.Node, np.float32]]] = {}
        skipped = {self.reads[node] for node in self.nodes if node.op_type == "Relu" and self._belongs(node)}
        for node in self.nodes:
            gain, users = positive_gain(node), [user.node for user in node.outputs[0].uses()]
            if gain is not None and all(user in self.members and user.op_type == "Add" for user in users):
                self.gains.setdefault(self.reads[node], []).append((node, gain))
                skipped.add(node.outputs[0])
        values = (value for node in self.nodes for value in (*_activations(node), *_results(node, fused)))
        self.paired = [value for value in dict.fromkeys(values) if value not in skipped]

    def _belongs(self, relu: ir.Node) -> bool:
        """Whether the Relu is all that becomes of the result of a quantized operator that computes."""
        value = self.reads[relu]
        producer = value.producer()
        computed = producer in self.members and producer is not None and producer.op_type in (*WEIGHTED, "Add", "Mul")
        return computed and len(value.uses()) == 1 and not value.is_graph_output()

    def common_ranges(self, ranges: Ranges, share_all: bool) -> dict[ir.Value, tuple[float, float]]:
        """The range of each paired tensor after those that share a scale were joined. A Concat shares where no part is
        negative, so that all zero points are 0 (a Relu's has to be), or always with `share_all`."""
        groups = {value: {value} for value in self.paired}
        extent = {value: ranges[_name(value)] for value in self.paired}

        def join(values: list[ir.Value]) -> None:
            union = set().union(*(groups[value] for value in values))
            joined = min(extent[v][0] for v in values), max(extent[v][1] for v in values)
            for value in union:
                groups[value], extent[value] = union, joined

        for node in self.nodes:
            if node.op_type in MOVING:
                join([self.reads[node], *node.outputs])
        for node in self.nodes:
            parts = [*_activations(node), *node.outputs]
            if node.op_type == "Concat" and (share_all or all(extent[value][0] >= 0 for value in parts)):
                join(parts)
        return extent


def positive_gain(node: ir.Node) -> np.float32 | None:
    """The number, if `node` multiplies an activation by one positive number."""
    constants = [value.const_value for value in node.inputs if value is not None and value.is_initializer()]
    if node.op_type != "Mul" or len(constants) != 1 or constants[0] is None or constants[0].size != 1:
        return None
    gain = np.float32(constants[0].numpy().item())
    return gain if gain > 0 else None


def _name(value: ir.Value) -> str:
    assert value.name is not None  # onnx_ir allows it; the graphs of this project name everything
    return value.name


def _activations(node: ir.Node) -> list[ir.Value]:
    """The inputs that carry images: no weights, and of an operator that moves values only the first."""
    inputs = [value for value in node.inputs if value is not None and not value.is_initializer()]
    return inputs[:1] if node.op_type in (*MOVING, *WEIGHTED, *LINEAR) else inputs


def _results(node: ir.Node, fused: bool) -> list[ir.Value]:
    """The outputs that become integers, whoever reads them; `fused`: where they are those that were read."""
    left = node.op_type not in (*MOVING, "Concat") if fused else node.op_type in LINEAR
    return [] if left else list(node.outputs)


def pair_node(kind: str, inputs: list[ir.Value], name: str, axis: int | None = None) -> ir.Node:
    """`name`/QuantizeLinear, which gives `name`/quantized, or `name`/DequantizeLinear, which gives `name`/dequantized;
    it is in no graph yet."""
    node = ir.node(f"{kind}Linear", inputs, {} if axis is None else {"axis": axis}, name=f"{name}/{kind}Linear")
    node.outputs[0].name = f"{name}/{kind.lower()}d"
    return node


def _insert_pair(
    graph: ir.Graph, value: ir.Value, scale: np.ndarray, zero_point: np.ndarray, placement: _Placement
) -> None:
    name, producer, users = _name(value), value.producer(), value.uses()
    zero = constant(graph, f"{name}/zero_point", zero_point)
    parameters = [constant(graph, f"{name}/scale", scale), zero]
    quantize = pair_node("Quantize", [value, *parameters], name)
    integers = quantize.outputs[0]
    dequantize = pair_node("Dequantize", [integers, *parameters], name)
    if producer is None:
        first = next(node for node in graph if any(user.node is node for user in users))
        graph.insert_before(first, [quantize, dequantize])
    else:
        graph.insert_after(producer, [quantize, dequantize])
    for user in users:
        # What a float node computed, other float nodes read as it is.
        if producer in placement.members or user.node in placement.members:
            user.node.replace_input_with(user.idx, dequantize.outputs[0])
    for multiply, gain in placement.gains.get(value, ()):
        result = _name(multiply.outputs[0])
        scaled = constant(graph, f"{result}/scale", np.array(scale * gain))
        reread = pair_node("Dequantize", [integers, scaled, zero], result)
        graph.insert_after(dequantize, reread)
        multiply.outputs[0].replace_all_uses_with(reread.outputs[0])
        graph.remove(multiply, safe=True)


def _quantize_weights(
    graph: ir.Graph, node: ir.Node, input_scale: np.ndarray, scheme: Scheme, means: np.ndarray | None
) -> None:
    """int8 weights behind a DequantizeLinear; the bias as int32 where the scheme wants it."""
    constants = [(value, value.const_value.numpy()) for value in node.inputs[1:] if value and value.const_value]
    for value, array in constants:
        if not np.isfinite(array).all():
            raise BuildError(f"weights {value.name}: not all values are finite; the checkpoint is broken")
    axis = axis_of_outputs(node) if scheme.per_channel else None
    weights, bias = constants[0][1], constants[1][1] if len(constants) > 1 else None
    floor = 0.0 if bias is None or not scheme.int32_bias else numbers.weight_floor(bias, input_scale)
    if scheme.reduced and not _is_depthwise(node, weights):
        floor = np.maximum(floor, numbers.pair_floor(weights, axis))
    integers, scale = numbers.weight(weights, axis, floor)
    read_integers(graph, node, 1, integers, scale, axis)
    if bias is None:
        return
    if means is not None:
        bias = bias + correction(node, weights - integers * numbers.along(scale, axis, weights.ndim), means)
    if scheme.int32_bias:
        integers, scale = numbers.bias(bias, input_scale, scale)
        read_integers(graph, node, 2, integers, scale, None if axis is None else 0)
    elif means is not None:
        corrected = constant(graph, _own_name(node, 2, "corrected"), bias.astype(np.float32))
        node.replace_input_with(2, corrected)


def axis_of_outputs(node: ir.Node) -> int:
    """Of the weights of a layer."""
    return 0 if node.op_type == "Conv" or node.attributes.get_int("transB", 0) else 1


def _is_depthwise(node: ir.Node, weights: np.ndarray) -> bool:
    """Engines multiply in each channel by itself then, in 16 or 32 bits, and add up in 32: nothing saturates, see
    `exporter.quantization.scheme.PAIR_RANGE`. (With several output channels for one of the input they do not.)"""
    groups = node.attributes.get_int("group", 1)
    return node.op_type == "Conv" and 1 < groups == len(weights) and weights.shape[1] == 1


def read_integers(
    graph: ir.Graph, node: ir.Node, index: int, integers: np.ndarray, scale: np.ndarray, axis: int | None
) -> None:
    """Puts `integers` behind a DequantizeLinear in the place of a constant input of the node, in place."""
    quantized = constant(graph, _own_name(node, index, "quantized"), integers)
    parameters = [
        constant(graph, _own_name(node, index, "scale"), scale),
        constant(graph, _own_name(node, index, "zero_point"), np.zeros(scale.shape, integers.dtype)),
    ]
    name = _own_name(node, index)
    dequantize = pair_node("Dequantize", [quantized, *parameters], name, axis)
    graph.insert_before(node, dequantize)
    node.replace_input_with(index, dequantize.outputs[0])


def _own_name(node: ir.Node, index: int, suffix: str = "") -> str:
    """A name for what belongs to an input; where other nodes read it too, each has its own."""
    value = node.inputs[index]
    assert value is not None
    name = _name(value) if len(value.uses()) == 1 else f"{node.name}/{_name(value)}"
    return f"{name}/{suffix}" if suffix else name
