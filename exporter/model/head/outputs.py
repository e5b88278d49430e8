"""Which outputs of a graph that somebody else made a declared head is read from."""

from collections.abc import Callable, Mapping, Sequence

import onnx

from exporter.common.errors import RequestError
from exporter.graph import walk
from exporter.model.graph_outputs import shown
from exporter.model.head import CORNERS, Head

NAMES = {
    "split": "BOXES,SCORES", "maps": "NAME,…",
    "split_maps": "BOXES_8,BOXES_16,…,CLASSES_8,CLASSES_16,…",
}  # fmt: skip
"""What to write where names are wanted, by layout."""
ShapeOf = Callable[[onnx.ValueInfoProto, int], walk.Shape | None]
"""Of an output, in which one axis is asked for: where the graph leaves that open it may be known from elsewhere."""
FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)


def outputs_of(
    graph: onnx.GraphProto, head: Head, told: Sequence[str] | None, label: str, shape_of: ShapeOf
) -> tuple[str, ...]:
    """The names in the order that the head reads them: boxes and scores; one map a stride, or several; or the only one.

    told: by the recipe, None where they are to be found by their shapes. Raises RequestError that shows what there is
    where that is not sure."""
    there = f"{label}: {shown(graph)}"
    found = {value.name: value for value in graph.output}
    count = head.num_outputs
    if told is not None:
        if missing := [name for name in told if name not in found]:
            raise RequestError(f"{there}: model.outputs names {', '.join(missing)}, which is none of them")
        if len(told) != count:
            raise RequestError(f"{there}: model.outputs has {len(told)} names, and layout={head.layout} reads {count}")
        return tuple(told)
    wanted = f"say which, model.head.outputs=[{NAMES.get(head.layout, 'NAME')}], or another model/head"
    if head.layout == "split_maps":  # 64 classes, or one, look like places, or objectness
        raise RequestError(f"{there}: layout=split_maps reads {count}, whose order no shape tells: {wanted}")
    ranks = (4, 5) if head.layout == "maps" else (3,)
    fit = [name for name, value in found.items() if _may_be(value, ranks)]
    if head.layout == "split" and len(fit) == count:
        fit = _boxes_first({name: found[name] for name in fit}, head, shape_of)
    if len(fit) != count:
        raise RequestError(
            f"{there}: the head reads {count} of rank {' or '.join(map(str, ranks))} (layout={head.layout}), and"
            f" {len(fit)} may be {'it' if count == 1 else 'those'}: {wanted}"
        )
    return tuple(fit)


def _boxes_first(values: Mapping[str, onnx.ValueInfoProto], head: Head, shape_of: ShapeOf) -> list[str]:
    """Of two the one with as many numbers as a box has, in the right place, is boxes; none where that is not sure."""
    wanted = head.box_columns if head.decoding != "none" else CORNERS
    axis = -1 if head.columns_axes[0] == 2 else 1  # [B, N, 1, 4] has its columns last too
    are = [(shape_of(value, axis) or (None,) * 3)[axis] == wanted for value in values.values()]
    if sum(are) != 1:
        return []
    return list(values) if are[0] else list(values)[::-1]


def _may_be(value: onnx.ValueInfoProto, ranks: Sequence[int]) -> bool:
    """Of one of these ranks; 3 is also [B, N, 1, K], as YOLOv4 gives its boxes."""
    kind = value.type.tensor_type
    if kind.elem_type not in FLOATS or not kind.HasField("shape"):
        return False
    dims = kind.shape.dim
    return len(dims) in ranks or (3 in ranks and len(dims) == 4 and dims[2].dim_value == 1)
