"""A user's own onnxscript function, inlined."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper
from onnx.inliner import inline_local_functions
from onnx.reference import ReferenceEvaluator
from onnxscript import OnnxFunction

from exporter.common.errors import RequestError
from exporter.common.user_code import failing
from exporter.graph.clean import strip_metadata
from exporter.graph.own_tensor import Tensor


class UserFunction:
    """Its outputs are named as in its code."""

    def __init__(self, function: OnnxFunction, attributes: dict[str, Any], label: str):
        """label: what errors begin with."""
        self._function, self._attributes, self._label = function, attributes, label

    def run(self, inputs: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs of the function alone, by ONNX's own reference evaluator in numpy. Raises RequestError where it
        fails."""
        named = {f"input_{i}": Tensor(each.dtype.name, each.shape) for i, each in enumerate(inputs)}
        model = self.graph(named, opset=18)
        with failing(f"{self._label}: fails"):  # whatever numpy and its operators raise
            values = ReferenceEvaluator(model).run(None, dict(zip(named, inputs, strict=True)))
        return {output.name: np.asarray(value) for output, value in zip(model.graph.output, values, strict=True)}

    def graph(self, inputs: Mapping[str, Tensor], opset: int) -> onnx.ModelProto:
        """The function as a graph. Raises RequestError for another number of inputs, attributes that it does not have,
        and operators that this opset does not have."""
        own = self._function.to_function_proto()
        if len(own.input) != len(inputs):
            raise RequestError(f"{self._label}: takes {len(own.input)} tensors: let it take {', '.join(inputs)}")
        defaults = {each.name: helper.get_attribute_value(each) for each in own.attribute_proto}
        known = {*own.attribute, *defaults}
        if unknown := sorted(set(self._attributes) - known):
            raise RequestError(
                f"{self._label}: has no attribute {', '.join(unknown)}: it has {sorted(known) or 'none'}"
            )
        values = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(each.dtype)), each.shape)
            for name, each in inputs.items()
        ]
        attributes = defaults | self._attributes  # the inliner knows no defaults
        call = helper.make_node(own.name, list(inputs), list(own.output), domain=own.domain, **attributes)
        graph = helper.make_graph([call], "own", values, [onnx.ValueInfoProto(name=name) for name in own.output])
        called = [each.to_function_proto() for each in self._function.function_ir.get_called_functions().values()]
        opsets = [helper.make_opsetid("", opset), helper.make_opsetid(own.domain, 1)]
        with failing(f"{self._label}: is no graph of opset {opset}"):  # onnx raises several
            model = helper.make_model(graph, functions=[own, *called], opset_imports=opsets)
            model = inline_local_functions(model, convert_version=True)
            del model.opset_import[1:]
            return onnx.shape_inference.infer_shapes(strip_metadata(model), strict_mode=True)
