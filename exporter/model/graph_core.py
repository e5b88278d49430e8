"""A graph that somebody else made → a core graph as `exporter.graph.trace` gives one: the same names, of the wanted
opset and sizes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from onnx_ir.passes.common import NameFixPass, RemoveInitializersFromInputsPass, RemoveUnusedNodesPass

from exporter.common.errors import RequestError
from exporter.common.messages import in_one_line
from exporter.graph import facts, walk
from exporter.graph.came_quantized import mark
from exporter.graph.clean import strip_metadata
from exporter.graph.core_outputs import DECODED_OUTPUTS, RAW_OUTPUTS
from exporter.graph.scopes import PREFIXES, TENSORS
from exporter.model.graph_outputs import NMS_INSIDE, UNFIT_INPUT, WANTED, seems, shown, suppresses
from exporter.model.head import Head
from exporter.model.head.operators import output_names
from exporter.model.head.outputs import ShapeOf, outputs_of

PAIRS = (DECODED_OUTPUTS, ("pred_boxes", "pred_scores"))
BOXES_AXIS = {"boxes": 1, "scores": 1, "box_logits": 2, "class_logits": 2, "anchors": 0}


@dataclass(frozen=True)
class Names:
    """How a given graph calls its input and its outputs, and what the core graph calls these outputs, in their order:
    DECODED_OUTPUTS, RAW_OUTPUTS, or those that a head is put behind."""

    input: str
    outputs: tuple[str, ...]
    new_outputs: tuple[str, ...]

    def unread(self, given: onnx.ModelProto) -> list[str]:
        """The outputs of that graph that are left aside."""
        return [value.name for value in given.graph.output if value.name not in self.outputs]


def image_input(graph: onnx.GraphProto, label: str) -> onnx.ValueInfoProto:
    """The only input, images. label: what the line begins with. Raises RequestError that shows what there is."""
    inputs = walk.inputs(graph)
    if len(inputs) != 1 or not _is_image(inputs[0]):
        told = NMS_INSIDE if suppresses(graph) else UNFIT_INPUT
        raise RequestError(f"{label}: {shown(graph)}: {told}")
    return inputs[0]


def names_of(
    graph: onnx.GraphProto, images: str, outputs: Sequence[str] | None, head: Head, label: str, shape_of: ShapeOf
) -> Names:
    """Finds the outputs: by the names `outputs` (boxes, then scores) or the exporter's own names, else by their shapes.
    images: the input's name; label: what the lines begin with. Raises RequestError that shows what there is."""
    there, wanted = f"{label}: {shown(graph)}", seems(graph) or f"wanted is {WANTED}"
    if not head.is_contract:
        chosen = outputs_of(graph, head, outputs, label, shape_of)
        if suppresses(graph, chosen):
            raise RequestError(f"{there}: {NMS_INSIDE}")
        return Names(images, chosen, output_names(len(chosen)))
    found = {value.name: value for value in graph.output}
    if outputs is not None:
        if missing := [name for name in outputs if name not in found]:
            raise RequestError(f"{there}: model.outputs names {', '.join(missing)}, which is none of them")
        chosen = tuple(outputs)
    elif set(RAW_OUTPUTS) <= set(found):
        chosen = RAW_OUTPUTS
    else:
        chosen = next((pair for pair in PAIRS if set(pair) <= set(found)), None) or _by_shape(found, shape_of)
    if not chosen:
        told = seems(graph) or "say which are boxes and scores, model.outputs=[BOXES,SCORES]"
        raise RequestError(f"{there}: {told}")
    unfit = any(not _may_be(found[name], 2 if name == "anchors" else 3) for name in chosen)
    if unfit or suppresses(graph, chosen):
        raise RequestError(f"{there}: {wanted}")
    return Names(images, chosen, RAW_OUTPUTS if len(chosen) == len(RAW_OUTPUTS) else DECODED_OUTPUTS)


def named_apart(given: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in which every node has a name of its own, the one it came with where that is possible. ONNX does not ask
    for that, ONNX Runtime does."""
    model = ir.from_proto(given)
    NameFixPass(_Names())(model)
    return ir.to_proto(model)


def renamed(given: onnx.ModelProto, names: Names) -> onnx.ModelProto:
    """A copy with the input `images`, the outputs by the exporter's names, the nodes as they are called, and without
    what leads to no output."""
    model = ir.from_proto(given)
    RemoveInitializersFromInputsPass()(model)
    graph = model.graph
    outputs = {value.name: value for value in graph.outputs}
    later = set(DECODED_OUTPUTS) - set(names.new_outputs)  # what a head's own outputs are called
    for node in ir.traversal.RecursiveGraphIterator(graph):
        _leave_scopes(node)
        mark(node)
        for value in node.outputs:
            _leave_scopes(value, later)
    for value in (*graph.inputs, *graph.initializers.values()):
        _leave_scopes(value, later)
    kept = [outputs[name] for name in names.outputs]
    graph.outputs[:] = kept
    graph.inputs[0].name = "images"
    for name, value in zip(names.new_outputs, kept, strict=True):
        value.name = name
    NameFixPass(_Names())(model)  # of values too, in which inputs and outputs keep theirs
    RemoveUnusedNodesPass()(model)
    return strip_metadata(ir.to_proto(model))


def sized(core: onnx.ModelProto, sizes: Mapping[str, int | None], label: str) -> onnx.ModelProto:
    """A copy whose input is [batch, 3, height, width] of these sizes, None for one that is free.

    Raises RequestError for a size that the graph has fixed to another."""
    model = onnx.ModelProto()
    model.CopyFrom(core)
    dims = model.graph.input[0].type.tensor_type.shape.dim
    dims[1].dim_value = 3
    for axis, (name, size) in zip((0, 2, 3), sizes.items(), strict=True):
        fixed = dims[axis].dim_value if dims[axis].HasField("dim_value") else None
        if fixed not in (None, size):
            asked, own = "dynamic" if size is None else size, "" if name == "batch" else " or input.size=auto"
            raise RequestError(
                f"input.{name}={asked}: {label} has it fixed at {fixed}: set input.{name}={fixed}{own}, or export that"
                " graph anew with a dynamic one"
            )
        if size is None:
            dims[axis].dim_param = name
        else:
            dims[axis].dim_value = size
    return model


def shaped(
    core: onnx.ModelProto, outputs: Sequence[np.ndarray], any_size: bool, boxes_axes: Sequence[int]
) -> onnx.ModelProto:
    """A copy whose outputs have the shapes of those that it gave, but for the batch and, where it takes images of
    `any_size`, the number of boxes, then called "predictions". Shapes between are inferred anew. boxes_axes: where that
    number stands in outputs of somebody else's names.

    Many a graph says less of itself, or what was true for the size it was exported with."""
    model = onnx.ModelProto()
    model.CopyFrom(core)
    batch = model.graph.input[0].type.tensor_type.shape.dim[0]
    del model.graph.value_info[:]
    for i, (value, output) in enumerate(zip(model.graph.output, outputs, strict=True)):
        dims: list[Any] = list(output.shape)
        if value.name != "anchors":
            dims[0] = batch.dim_param or batch.dim_value
        if any_size:
            dims[BOXES_AXIS[value.name] if value.name in BOXES_AXIS else boxes_axes[i]] = "predictions"
        value.CopyFrom(onnx.helper.make_tensor_value_info(value.name, onnx.TensorProto.FLOAT, dims))
    return onnx.shape_inference.infer_shapes(model, data_prop=True)


class _Names:
    """What is called nothing, or as something else, is called after its operator."""

    def generate_node_name(self, node: ir.Node) -> str:
        return node.name or f"network/{node.op_type}"

    def generate_value_name(self, value: ir.Value) -> str:
        return value.name or "network/value"


def _leave_scopes(thing: ir.Node | ir.Value, others: Collection[str] = ()) -> None:
    if thing.name and (thing.name.startswith(PREFIXES) or thing.name in TENSORS or thing.name in others):
        thing.name = f"network/{thing.name}"


def converted(given: onnx.ModelProto, opset: int, label: str) -> onnx.ModelProto:
    """The same in that opset. Raises RequestError where ONNX's own converter cannot."""
    before = facts.opset(given)
    if before == opset:
        return given
    try:
        return onnx.version_converter.convert_version(given, opset)
    except Exception as error:  # onnx's converter raises RuntimeError, and what its C++ code raises
        raise RequestError(
            f"{label}: is of opset {before}, which cannot be converted to export.opset={opset} ({in_one_line(error)}):"
            f" export it with opset {opset}" + (f", or set export.opset={before}" if before in range(18, 21) else "")
        ) from error


def _is_image(value: onnx.ValueInfoProto) -> bool:
    if not _may_be(value, 4):
        return False
    channels = value.type.tensor_type.shape.dim[1]
    return not channels.HasField("dim_value") or channels.dim_value == 3


def _may_be(value: onnx.ValueInfoProto, rank: int) -> bool:
    """Whether it is float32 and of that rank, as far as the graph says."""
    kind = value.type.tensor_type
    unknown = rank != 4 and not kind.HasField("shape")
    return kind.elem_type == onnx.TensorProto.FLOAT and (unknown or len(kind.shape.dim) == rank)


def _by_shape(found: Mapping[str, onnx.ValueInfoProto], shape_of: ShapeOf) -> tuple[str, str] | None:
    """Of two outputs the one with rows of four is boxes, where only one has them."""
    if len(found) != 2:
        return None
    fours = [len(shape := shape_of(value, -1) or ()) == 3 and shape[2] == 4 for value in found.values()]
    if sum(fours) != 1:
        return None
    first, second = found if fours[0] else reversed(list(found))
    return first, second
