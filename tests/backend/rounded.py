"""An engine that computes float operators in less than float32, on any processor: ONNX Runtime on a graph in which every
float tensor is rounded to bfloat16 or float16 and back. An engine that has these in hardware rounds no more often: it
keeps sums, and the last operators, in float32."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import onnx
from onnx import TensorProto, helper

from exporter.runtime.onnx_runtime import OnnxRuntimeEngine

TO = {"bf16": TensorProto.BFLOAT16, "f16": TensorProto.FLOAT16}


def rounded(model: onnx.ModelProto, precision: str) -> onnx.ModelProto:
    """The graph with a cast there and back behind every node, and every initializer, that gives float32."""
    typed = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    kinds = {each.name: each.type.tensor_type.elem_type for each in (*typed.graph.value_info, *typed.graph.output)}
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    graph = changed.graph
    outputs = {each.name for each in graph.output}
    now: dict[str, str] = {}
    nodes = []

    def cast(name: str) -> None:
        now[name] = f"{name}/rounded"
        nodes.append(helper.make_node("Cast", [name], [f"{name}/short"], to=TO[precision]))
        nodes.append(helper.make_node("Cast", [f"{name}/short"], [now[name]], to=TensorProto.FLOAT))

    for each in graph.initializer:
        if each.data_type == TensorProto.FLOAT and each.dims:
            cast(each.name)
    for node in graph.node:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.input[:] = [now.get(name, name) for name in node.input]
        nodes.append(copy)
        for i, name in enumerate(node.output):
            if kinds.get(name) == TensorProto.FLOAT:
                if name in outputs:
                    copy.output[i] = f"{name}/whole"
                    nodes.append(helper.make_node("Cast", [f"{name}/whole"], [f"{name}/short"], to=TO[precision]))
                    nodes.append(helper.make_node("Cast", [f"{name}/short"], [name], to=TensorProto.FLOAT))
                else:
                    cast(name)
    del graph.node[:]
    graph.node.extend(nodes)
    return changed


@dataclass(frozen=True)
class RoundedEngine(OnnxRuntimeEngine):
    """precision: bf16 or f16."""

    precision: str = "bf16"
    name: ClassVar[str] = "rounded"

    @property
    def computes_in(self) -> str:
        return self.precision

    def session(self, model, threads=None, limits=None):
        loaded = onnx.load(model) if isinstance(model, Path) else onnx.load_from_string(model)
        return super().session(rounded(loaded, self.precision).SerializeToString(), threads, limits)
