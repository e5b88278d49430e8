"""A graph in float16 as one in float32, which holds the same numbers and computes on them with more digits."""

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from exporter.graph import walk


def holds_float16(model: onnx.ModelProto) -> bool:
    """Whether any weight, input or output is float16."""
    graph = model.graph
    values = any(v.type.tensor_type.elem_type == TensorProto.FLOAT16 for v in (*graph.input, *graph.output))
    return values or any(tensor.data_type == TensorProto.FLOAT16 for tensor in graph.initializer)


def in_float32(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in which everything of type float16 is float32: weights, constants, casts, inputs and outputs."""
    converted = onnx.ModelProto()
    converted.CopyFrom(model)
    for tensor in walk.tensors(converted.graph):
        if tensor.data_type == TensorProto.FLOAT16:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))
    for graph in walk.graphs(converted.graph):
        del graph.value_info[:]
        for value in (*graph.input, *graph.output):
            if value.type.tensor_type.elem_type == TensorProto.FLOAT16:
                value.type.tensor_type.elem_type = TensorProto.FLOAT
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.name in ("to", "dtype") and attribute.i == TensorProto.FLOAT16:
                    attribute.i = TensorProto.FLOAT
    return converted
