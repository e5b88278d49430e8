"""A graph in float16 as one in float32, which holds the same numbers and computes on them with more digits."""

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from exporter.common.errors import BuildError
from exporter.graph import walk


def holds_float16(model: onnx.ModelProto) -> bool:
    """Whether any weight, input or output is float16."""
    graph = model.graph
    values = any(v.type.tensor_type.elem_type == TensorProto.FLOAT16 for v in (*graph.input, *graph.output))
    return values or any(tensor.data_type == TensorProto.FLOAT16 for tensor in graph.initializer)


def in_float32(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in which everything of type float16 is float32: weights, constants, casts, inputs and outputs. Raises
    BuildError for a tensor that does not hold as many numbers as its shape says."""
    converted = onnx.ModelProto()
    converted.CopyFrom(model)
    for graph in walk.graphs(converted.graph):
        del graph.value_info[:]
        for tensor in graph.initializer:
            _convert(tensor)
        for value in (*graph.input, *graph.output):
            if value.type.tensor_type.elem_type == TensorProto.FLOAT16:
                value.type.tensor_type.elem_type = TensorProto.FLOAT
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.name in ("to", "dtype") and attribute.i == TensorProto.FLOAT16:
                    attribute.i = TensorProto.FLOAT
                if attribute.type == onnx.AttributeProto.TENSOR:
                    _convert(attribute.t)
    return converted


def _convert(tensor: TensorProto) -> None:
    if tensor.data_type == TensorProto.FLOAT16:
        try:
            array = numpy_helper.to_array(tensor)
        except ValueError as error:
            raise BuildError(f"{tensor.name}: not the numbers of its shape: the file is damaged") from error
        tensor.CopyFrom(numpy_helper.from_array(array.astype(np.float32), tensor.name))
