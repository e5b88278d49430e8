"""A graph that reads images of bytes, or with their channels last, as one that reads float32 [B, 3, H, W]."""

import onnx
import onnx_ir as ir

from exporter.graph import walk

MOVING = ("Cast", "Transpose", "Reshape", "Identity", "Slice", "Gather", "Squeeze", "Unsqueeze", "Split")
"""Operators that give the same numbers for bytes as for floats that are whole."""


def image_of(model: onnx.ModelProto) -> onnx.ValueInfoProto | None:
    """Its only input of four dimensions, None where there is no such one."""
    found = [value for value in walk.inputs(model.graph) if len(value.type.tensor_type.shape.dim) == 4]
    return found[0] if len(found) == 1 else None


def reads_bytes(model: onnx.ModelProto) -> bool:
    """Whether its image is uint8."""
    image = image_of(model)
    return image is not None and image.type.tensor_type.elem_type == onnx.TensorProto.UINT8


def has_channels_last(model: onnx.ModelProto) -> bool:
    """Whether its image is [B, H, W, 3], as TensorFlow's are."""
    image = image_of(model)
    dims = image.type.tensor_type.shape.dim if image is not None else []
    return image is not None and dims[3].dim_value == 3 != dims[1].dim_value


def with_float_channels_first(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that reads float32 [B, 3, H, W], of a model with one image that is other than that. What reads bytes gives
    the same for floats 0..255 that are whole; where it computes on bytes, floats are rounded to such in front of it."""
    image = image_of(model)
    assert image is not None
    turned, computes = has_channels_last(model), reads_bytes(model) and _computes_on(model.graph, image.name)
    apart = ir.from_proto(model)
    (value,) = (each for each in apart.graph.inputs if each.name == image.name)
    value.dtype = ir.DataType.FLOAT
    nodes = []
    if turned:
        nodes.append(ir.node("Transpose", [value], {"perm": [0, 2, 3, 1]}, name=f"{image.name}/Transpose"))
        assert value.shape is not None
        batch, height, width, channels = value.shape
        value.shape = ir.Shape([batch, channels, height, width])
    if computes:
        nodes.append(ir.node("Round", [nodes[-1].outputs[0] if nodes else value], name=f"{image.name}/Round"))
        to = {"to": ir.DataType.UINT8}
        nodes.append(ir.node("Cast", [nodes[-1].outputs[0]], to, name=f"{image.name}/Cast"))
    if nodes:
        value.replace_all_uses_with(nodes[-1].outputs[0], replace_graph_outputs=True)
        nodes[0].replace_input_with(0, value)
        apart.graph.insert_before(apart.graph[0], nodes)
    copy = ir.to_proto(apart)
    for graph in walk.graphs(copy.graph):
        del graph.value_info[:]  # of what comes behind types may be others now
    return copy


def _computes_on(graph: onnx.GraphProto, image: str) -> bool:
    """Whether bytes go into more than what moves them until they are cast."""
    held = {image}
    for node in graph.node:  # a valid graph is in order
        if read := held & walk.reads(node):
            if node.op_type not in MOVING or read != {node.input[0]}:
                return True
            if node.op_type != "Cast":
                held.update(node.output)
    return False
