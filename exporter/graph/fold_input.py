"""Folds of the input's normalisation into the first layer. Each changes the graph it is given in place (the caller
owns it) and returns None where it applied, else the reason why it did not.

All rely on convolution being linear in its weights and padding with zeros *after* the normalisation: a scale and an
order of channels can move into the weights, a mean can not (at the borders zeros would be normalised too).
"""

import numpy as np
import onnx_ir as ir

from exporter.graph.came_quantized import came_quantized

# What treats each channel for itself; a quantization of the input has one scale for all of it.
ELEMENTWISE = ("Sub", "Mul", "Cast", "QuantizeLinear", "DequantizeLinear")


def fold_quantized_input(graph: ir.Graph) -> str | None:
    """uint8 → Cast → Mul 1/std → QuantizeLinear → DequantizeLinear  ⇒  uint8 → DequantizeLinear.

    Exact where the scale of the quantization is 1/std and its zero point 0: then q = round(byte · s / s) = byte.
    A Gather of channels in between stays (on bytes).
    """
    cast = _find(graph, "preprocessing/Cast")
    scale = _find(graph, "preprocessing/Mul")
    if cast is None or scale is None or cast.inputs[0] is None or cast.inputs[0].dtype != ir.DataType.UINT8:
        return "the input is not bytes that are only scaled"
    if _find(graph, "preprocessing/Sub") is not None:
        return "the mean is subtracted first"
    quantizers = [use.node for use in scale.outputs[0].uses()]
    if [node.op_type for node in quantizers] != ["QuantizeLinear"]:
        return "the core does not quantize its input"
    quantize = quantizers[0]
    factors, step = _constant(scale.inputs[1]), _constant(quantize.inputs[1])
    zero = _constant(quantize.inputs[2])
    if (
        factors is None
        or step is None
        or zero is None
        or zero.dtype != np.uint8
        or zero.any()
        or (factors != step).any()
    ):
        return "the quantization of the input is not the byte's own"
    source = cast.inputs[0]
    gather = _find(graph, "preprocessing/Gather")
    if gather is not None:
        gather.replace_input_with(0, source)
        gather.outputs[0].type = ir.TensorType(ir.DataType.UINT8)
        source = gather.outputs[0]
    quantize.outputs[0].replace_all_uses_with(source)
    _remove(graph, quantize, scale, cast)
    return None


def fold_channel_order(graph: ir.Graph) -> str | None:
    """Gather(axis=1, order) → [elementwise] → Conv  ⇒  the same with permuted constants and weights, no Gather."""
    gather = _find(graph, "preprocessing/Gather")
    if gather is None:
        return "the channels are in order"
    value, constants = gather.outputs[0], []
    while (node := _only_user(value)) is not None and node.op_type in ELEMENTWISE:
        if node.op_type in ("Sub", "Mul"):
            if node.inputs[0] is not value or not _is_by_channel(node.inputs[1]):
                return "user code computes with the input in a way that cannot be followed"
            constants.append(node)
        value = node.outputs[0]
    convs = [use.node for use in value.uses()]
    weights = [_weight_of(conv) for conv in convs]
    order = _constant(gather.inputs[1])
    if order is None or not convs or any(weight is None for weight in weights):
        return "the input goes elsewhere than into convolutions with constant weights"
    # y = Σ w[:, c] · f_c(x[order[c]])  =  Σ w[:, inverse[k]] · f_inverse[k](x[k])
    inverse = np.argsort(order)
    for weight in weights:
        assert weight is not None
        _set(weight, _array(weight)[:, inverse])
    for node in constants:
        operand = node.inputs[1]
        if operand is not None and _array(operand).size == 3:
            _set(operand, _array(operand)[:, inverse])
    assert gather.inputs[0] is not None
    gather.outputs[0].replace_all_uses_with(gather.inputs[0])
    _remove(graph, gather)
    return None


def fold_scale(graph: ir.Graph) -> str | None:
    """Mul(scale per channel) → Conv  ⇒  Conv with scaled weights. The convolution must be in float, its weights its
    own: of shared ones the other layer's would be scaled too, or all of them twice."""
    scale = _find(graph, "preprocessing/Mul")
    if scale is None:
        return "there is no scale"
    convs = [use.node for use in scale.outputs[0].uses()]
    factors = _constant(scale.inputs[1])
    if factors is None or not convs or any(conv.op_type != "Conv" or not _is_own(conv.inputs[1]) for conv in convs):
        return "the input goes elsewhere than into convolutions with constant float weights of their own"
    for conv in convs:
        weight = conv.inputs[1]
        assert weight is not None
        _set(weight, (_array(weight) * factors.astype(np.float64)).astype(np.float32))
    assert scale.inputs[0] is not None
    scale.outputs[0].replace_all_uses_with(scale.inputs[0])
    _remove(graph, scale)
    return None


def _find(graph: ir.Graph, name: str) -> ir.Node | None:
    return next((node for node in graph if node.name == name), None)


def _only_user(value: ir.Value) -> ir.Node | None:
    users = {use.node for use in value.uses()}
    return users.pop() if len(users) == 1 else None


def _is_initializer(value: ir.Value | None) -> bool:
    return value is not None and value.is_initializer() and value.const_value is not None


def _is_own(value: ir.Value | None) -> bool:
    """Whether it is a constant that one node alone reads."""
    return value is not None and _is_initializer(value) and _only_user(value) is not None


def _array(value: ir.Value) -> np.ndarray:
    assert value.const_value is not None
    return value.const_value.numpy()


def _constant(value: ir.Value | None) -> np.ndarray | None:
    return _array(value) if value is not None and _is_initializer(value) else None


def _is_by_channel(value: ir.Value | None) -> bool:
    """Whether it is one number, or one for each of three channels that nobody else reads."""
    array = _constant(value)
    if value is None or array is None:
        return False
    return array.size == 1 or (array.shape == (1, 3, 1, 1) and _only_user(value) is not None)


def _weight_of(conv: ir.Node) -> ir.Value | None:
    """The stored weights of a convolution, behind their DequantizeLinear where they are int8; None if not constant, if
    somebody else uses them too or if they came quantized."""
    if conv.op_type != "Conv" or conv.inputs[1] is None:
        return None
    weight = conv.inputs[1]
    producer = weight.producer()
    if producer is not None and producer.op_type == "DequantizeLinear":
        weight = producer.inputs[0] if _only_user(weight) is not None and not came_quantized(producer) else None
    return weight if _is_own(weight) else None


def _set(value: ir.Value, array: np.ndarray) -> None:
    value.const_value = ir.tensor(np.ascontiguousarray(array), name=value.name)


def _remove(graph: ir.Graph, *nodes: ir.Node) -> None:
    """Takes nodes out whose outputs nobody uses any more, and the constants that only they used."""
    for node in nodes:
        operands = [value for value in node.inputs if value is not None]
        graph.remove(node, safe=True)
        for value in operands:
            if value.is_initializer() and not value.uses():
                assert value.name is not None
                del graph.initializers[value.name]
