"""The part of a graph for which TensorRT needs no plugin, as far as it goes."""

import onnx

from exporter.graph.facts import DEFAULT

PLUGINS = ("NonZero",)
"""Operators of ONNX's own that TensorRT's parser imports as plugins."""


def before_plugins(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model` as it is where none of its nodes is a plugin; else a copy without those and all that reads of them. Its
    outputs are the tensors that those that are gone have read, and what is left of its own outputs."""
    gone: set[str] = set()
    kept: list[onnx.NodeProto] = []
    read: list[str] = []
    for node in model.graph.node:  # in the order in which they are computed
        if node.domain not in DEFAULT or node.op_type in PLUGINS or gone.intersection(node.input):
            gone.update(node.output)
            read += node.input
        else:
            kept.append(node)
    if len(kept) == len(model.graph.node):
        return model
    made = {name for node in kept for name in node.output}
    front = onnx.ModelProto()
    front.CopyFrom(model)
    del front.graph.node[:], front.graph.output[:]
    front.graph.node.extend(kept)
    known = {value.name: value for value in onnx.shape_inference.infer_shapes(front).graph.value_info}
    own = [output for output in model.graph.output if output.name in made]
    names = [name for name in dict.fromkeys(read) if name in made and name not in {output.name for output in own}]
    front.graph.output.extend(own)
    front.graph.output.extend(known.get(name, onnx.ValueInfoProto(name=name)) for name in names)
    domains = {node.domain for node in kept} | set(DEFAULT)
    opsets = [entry for entry in model.opset_import if entry.domain in domains]
    del front.opset_import[:]
    front.opset_import.extend(opsets)
    return front
