"""A ConvTranspose whose windows do not overlap, as a 1×1 Conv and a DepthToSpace.

With kernel k and stride k, output pixel (k·y + i, k·x + j) of channel c sees one input pixel only:

    out[c, k·y + i, k·x + j] = bias[c] + Σ_d weight[d, c, i, j] · in[d, y, x]

so a 1×1 convolution computes the k·k neighbours as channels (c, i, j) and DepthToSpace lays them out: the same sums.
ONNX Runtime has no integer ConvTranspose, but runs both of these on integers.
"""

from collections.abc import Collection

import numpy as np
import onnx
import onnx_ir as ir

from exporter.graph.initializers import constant


def as_convolutions(model: onnx.ModelProto, names: Collection[str]) -> tuple[onnx.ModelProto, list[str]]:
    """A copy of `model` in which the ConvTranspose nodes of these names are replaced, and the names of those that could
    not be (windows overlap, groups, padding). The Conv takes over the node's name, DepthToSpace the result's."""
    changed = ir.from_proto(model)
    left = []
    for node in list(changed.graph):
        if node.name in names and node.op_type == "ConvTranspose":
            if _windows_are_apart(node):
                _replace(changed.graph, node)
            else:
                left.append(node.name)
    return ir.to_proto(changed), left


def _windows_are_apart(node: ir.Node) -> bool:
    weight = node.inputs[1]
    assert weight is not None and weight.const_value is not None  # only nodes with constant weights are chosen
    kernel = list(weight.const_value.numpy().shape[2:])
    attributes = {name: attribute.value for name, attribute in node.attributes.items()}
    return (
        len(kernel) == 2
        and kernel[0] == kernel[1]
        and list(attributes.get("strides", ())) == kernel
        and attributes.get("group", 1) == 1
        and attributes.get("auto_pad", "NOTSET") in ("NOTSET", "VALID")
        and "output_shape" not in attributes
        and not any(attributes.get("pads", ())) and not any(attributes.get("output_padding", ()))
        and set(attributes.get("dilations", (1,))) == {1}
    )  # fmt: skip


def _replace(graph: ir.Graph, node: ir.Node) -> None:
    result = node.outputs[0]
    name = result.name
    old = [(value, value.const_value.numpy()) for value in node.inputs[1:] if value and value.const_value]
    k = old[0][1].shape[2]
    parameters = []
    for value, array in old:
        if array.ndim == 4:  # weight [inputs, channels, k, k] → [channels·k·k, inputs, 1, 1]
            new = array.transpose(1, 2, 3, 0).reshape(-1, array.shape[0], 1, 1)
        else:  # bias [channels] → [channels·k·k]
            new = np.repeat(array, k * k)
        parameters.append(_initializer(graph, f"{value.name}/1x1", new))
    conv = ir.node("Conv", [node.inputs[0], *parameters], {"kernel_shape": [1, 1]}, name=node.name)
    conv.outputs[0].name = f"{name}/Conv"
    shuffle = ir.node("DepthToSpace", conv.outputs, {"blocksize": k, "mode": "CRD"}, name=f"{node.name}/DepthToSpace")
    graph.insert_before(node, [conv, shuffle])
    shuffle.outputs[0].shape, shuffle.outputs[0].type = result.shape, result.type
    result.replace_all_uses_with(shuffle.outputs[0], replace_graph_outputs=True)
    graph.remove(node, safe=True)
    for value, _ in old:
        if not value.uses():
            del graph.initializers[value.name or ""]
    shuffle.outputs[0].name = name


def _initializer(graph: ir.Graph, name: str, array: np.ndarray) -> ir.Value:
    """The one of this name and these values, where a layer before it had the same; else a new one."""
    known = graph.initializers.get(name)
    if known is not None and known.const_value is not None:
        if np.array_equal(known.const_value.numpy(), array):
            return known
        return _initializer(graph, f"{name}'", array)  # of a bias that layers of different kernels share
    return constant(graph, name, array)
