"""Puts one graph behind another."""

from collections.abc import Mapping

import onnx
import onnx_ir as ir
from onnx.compose import merge_models


def scoped(model: onnx.ModelProto, scope: str, names: Mapping[str, str]) -> onnx.ModelProto:
    """A copy in which nodes and values are named below `scope`, but for those that `names` gives another name."""
    renamed = ir.from_proto(model)
    for node in ir.traversal.RecursiveGraphIterator(renamed.graph):
        node.name = f"{scope}/{node.name}"
        for value in node.outputs:
            _rename(value, scope, names)
    for value in (*renamed.graph.inputs, *renamed.graph.initializers.values()):
        if value.producer() is None:
            _rename(value, scope, names)
    return ir.to_proto(renamed)


def joined(first: onnx.ModelProto, second: onnx.ModelProto, links: Mapping[str, str]) -> onnx.ModelProto:
    """`first` and then `second`: each output of `first` that `links` names feeds the input of `second` that it gives.

    Both are of one opset. Inputs are those of `first`, outputs those of `second`; no two names may be the same."""
    own = onnx.ModelProto()
    own.CopyFrom(second)
    own.ir_version = first.ir_version
    return merge_models(first, own, list(links.items()), name="detector")


def _rename(value: ir.Value, scope: str, names: Mapping[str, str]) -> None:
    value.name = names.get(value.name or "", f"{scope}/{value.name}")
