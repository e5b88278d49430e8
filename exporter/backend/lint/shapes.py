"""Shapes: free dimensions, and those that depend on what the images hold."""

from collections.abc import Iterator

import onnx

from exporter.backend.lint.view import View, label
from exporter.backend.tensorrt_limits import MAX_TOP_K
from exporter.graph.core_outputs import PLUGIN
from exporter.graph.facts import DEFAULT
from exporter.graph.walk import attribute

COUNTING = ("NonZero", "NonMaxSuppression", "Compress", "Unique")
"""Operators whose result is as long as the data makes it."""
SHAPING = {"Reshape": (1,), "Expand": (1,), "ConstantOfShape": (0,), "Slice": (1, 2, 4), "Tile": (1,), "Pad": (1,),
           "Range": (0, 1, 2), "TopK": (1,), "Resize": (2, 3), "OneHot": (1,), "Split": (1,)}  # fmt: skip
"""Operators with inputs that say how large the result is."""
NMS = ("NonMaxSuppression", PLUGIN, "EfficientNMS_ONNX_TRT")


def free_input(view: View) -> Iterator[tuple[str, str]]:
    """Free dimensions of inputs, for which no range is known."""
    for value in () if view.has_profile else view.inputs:
        free = [side for side in view.shapes.get(value.name, ()) if not isinstance(side, int)]
        if free:
            yield value.name, f"{len(free)} of its dimensions are free ({', '.join(str(side) for side in free)})"


def data_dependent(view: View) -> Iterator[tuple[str, str]]:
    """Nodes with a result as long as the data makes it, on the way to an NMS."""
    for node in view.nodes:
        if node.op_type in NMS and (found := _source(view, node)) is not None:
            yield label(found), f"{found.op_type} gives a shape that depends on the data, and {label(node)} reads it"


def data_dependent_output(view: View) -> Iterator[tuple[str, str]]:
    """Outputs as long as the data makes them."""
    for value in view.outputs:
        shape = view.shapes.get(value.name)
        node = view.producers.get(value.name)
        fixed = shape is not None and all(isinstance(side, int) for side in shape)
        if node is not None and not fixed and (found := _source(view, node, itself=True)) is not None:
            yield value.name, f"is as long as {label(found)} finds things"


def topk_limit(view: View) -> Iterator[tuple[str, str]]:
    """TopK of more than TensorRT sorts."""
    for node in _topk(view):
        k = view.array(node.input[1]) if len(node.input) > 1 else None
        if k is not None and k.size == 1 and k.item() > MAX_TOP_K:
            yield label(node), f"K is {k.item()}; it must be less than {MAX_TOP_K + 1}"


def topk_unsorted(view: View) -> Iterator[tuple[str, str]]:
    """TopK that does not ask for the order."""
    for node in _topk(view):
        if attribute(node, "sorted", 1) != 1:
            yield label(node), "sorted=0"


def _topk(view: View) -> Iterator[onnx.NodeProto]:
    yield from (node for node in view.nodes if node.op_type == "TopK" and node.domain in DEFAULT)


def _source(view: View, node: onnx.NodeProto, itself: bool = False) -> onnx.NodeProto | None:
    """The first node upstream whose result's shape depends on the data; every node above it is looked at once."""
    pending = [node] if itself else _upstream(view, node)
    seen = {id(found) for found in pending}
    while pending:
        found = pending.pop()
        if found.op_type in COUNTING or _computed_size(view, found):
            return found
        new = [above for above in _upstream(view, found) if id(above) not in seen]
        seen.update(id(above) for above in new)
        pending += new
    return None


def _upstream(view: View, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    return [view.producers[name] for name in node.input if name in view.producers]


def _computed_size(view: View, node: onnx.NodeProto) -> bool:
    """Whether the node's size is computed of values, not of other shapes."""
    sizes = [node.input[i] for i in SHAPING.get(node.op_type, ()) if i < len(node.input) and node.input[i]]
    return any(not _is_shape(view, name) for name in sizes)


def _is_shape(view: View, name: str) -> bool:
    """Whether a value is made of constants and of shapes alone."""
    pending, seen = [name], {name}
    while pending:
        value = pending.pop()
        if value in view.constants:
            continue
        node = view.producers.get(value)
        if node is None:
            return False  # an input of the graph
        if node.op_type not in ("Shape", "Size"):
            new = [i for i in node.input if i and i not in seen]
            seen.update(new)
            pending += new
    return True
