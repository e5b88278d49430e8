"""What the outputs of a graph that somebody else made look like, in words, where they are not those of the contract."""

from collections.abc import Sequence

import onnx

from exporter.graph import walk

WANTED = "one input float32 [B, 3, H, W], and outputs boxes [B, N, 4] (xyxy, pixels) and scores [B, N, C], float32"
UNFIT_INPUT = (
    "it must read one image [B, 3, H, W] or [B, H, W, 3], floats or bytes, and nothing else: export it so; of an"
    " artifact, input.layout=nhwc and input.channels=bgr are put in front of it"
)
WITHOUT_NMS = f"export the network without it; wanted is {WANTED}"
NMS_INSIDE = f"NMS is inside: cut it off (model.cut: exporter inspect looks for the place), or {WITHOUT_NMS}"
MOST_CHOSEN = 1000  # rows of detections that a network has chosen already; the boxes before that are more


def shown(graph: onnx.GraphProto) -> str:
    """Inputs and outputs with their types and shapes."""
    return f"has inputs {_listed(walk.inputs(graph))} and outputs {_listed(graph.output)}"


def seems(graph: onnx.GraphProto) -> str | None:
    """What is not as wanted and what to do, where that can be told; None elsewhere."""
    if suppresses(graph):
        return NMS_INSIDE
    shapes = [shape for value in graph.output if len(shape := walk.shape_of(value) or ()) == 3]
    if len(shapes) == 1 and len(graph.output) == 1:
        known = "" if shapes[0][2] == 4 else "declare it (model/head, or key by key in model.head), or "
        return f"its one output seems to {_single(shapes[0])}: {known}{convert('give boxes and scores as two outputs')}"
    if len(graph.output) == 2 and not any(shape[2] == 4 for shape in shapes) and any(s[1] == 4 for s in shapes):
        return f"boxes are [B, 4, N], transposed: {convert('transpose them')}"
    return None


def convert(how: str) -> str:
    """What to do about outputs that are others than wanted."""
    return f"{how} at the end of the network (a module around it will do) and export that; wanted is {WANTED}"


def suppresses(graph: onnx.GraphProto, outputs: Sequence[str] | None = None) -> bool:
    """Whether an NMS leads to these outputs, to any of them if None."""
    wanted = [value.name for value in graph.output] if outputs is None else outputs
    leading, _ = walk.leading_to(wanted, graph)
    return any(node.op_type == "NonMaxSuppression" for node in walk.nodes(leading))


def mismatch(boxes: Sequence[int], scores: Sequence[int]) -> str:
    """What to do about shapes that do not fit together."""
    if len(boxes) == len(scores) == 3:
        if boxes[1] == 0:
            return f"no boxes where nothing is to be seen, as with an NMS inside: {WITHOUT_NMS}"
        if boxes[2] == 4 and boxes[1] == scores[2]:
            return f"scores are [B, C, N], transposed: {convert('transpose them')}"
        if boxes[1] == 4 and boxes[2] in scores[1:]:
            return f"boxes are [B, 4, N], transposed: {convert('transpose them')}"
    return f"wanted is {WANTED}"


def _single(shape: walk.Shape) -> str:
    _, rows, columns = shape
    if columns == 4:
        return "be boxes without scores"
    if columns == 6 and isinstance(rows, int) and rows <= MOST_CHOSEN:
        return "be detections that are chosen already (x1, y1, x2, y2, score, class)"
    return "join boxes and scores"


def _listed(values: Sequence[onnx.ValueInfoProto]) -> str:
    return ", ".join(_shown(value) for value in values[:6]) + (", …" if len(values) > 6 else "")


def _shown(value: onnx.ValueInfoProto) -> str:
    kind = value.type.tensor_type
    name = onnx.TensorProto.DataType.Name(kind.elem_type).lower()
    if not kind.HasField("shape"):
        return f"{value.name} {name} of unknown shape"
    return f"{value.name} {name} [{', '.join(dim.dim_param or str(dim.dim_value or '?') for dim in kind.shape.dim)}]"
