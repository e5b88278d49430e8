"""A graph that reads images of bytes, or with their channels last, as one that reads float32 [B, 3, H, W]."""

import onnx
import onnx_ir as ir

from exporter.graph import walk


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
    """A copy that reads float32 [B, 3, H, W], of a model with one image. Numbers stay what they were: 0..255 of bytes,
    which most files cast themselves; one that computes on integers before that is no valid graph then."""
    image, turned = image_of(model), has_channels_last(model)
    assert image is not None
    apart = ir.from_proto(model)
    (value,) = (each for each in apart.graph.inputs if each.name == image.name)
    value.dtype = ir.DataType.FLOAT
    if turned:
        turn = ir.node("Transpose", [value], {"perm": [0, 2, 3, 1]}, name=f"{image.name}/Transpose")
        value.replace_all_uses_with(turn.outputs[0])
        turn.replace_input_with(0, value)
        apart.graph.insert_before(apart.graph[0], turn)
        assert value.shape is not None
        batch, height, width, channels = value.shape
        value.shape = ir.Shape([batch, channels, height, width])
    copy = ir.to_proto(apart)
    for graph in walk.graphs(copy.graph):
        del graph.value_info[:]  # of what comes behind types may be others now
    return copy
