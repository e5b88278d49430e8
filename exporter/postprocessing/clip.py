"""Boxes clipped to the network's input, behind the NMS: for consumers that measure a box before they clip it.

Behind it, since what is suppressed must not depend on it: two boxes that reach beyond an edge overlap otherwise there.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

    from exporter.graph.append import Op, Outputs, Tensor


def attach_clip(given: "onnx.ModelProto", layout: str) -> "onnx.ModelProto":
    """`given` (what an NMS node gives) with its boxes inside [0, W] and [0, H], the sides of its input images.

    layout: of the input, "nchw" or "nhwc". Where the sides are free they are read from the input when it runs."""
    from exporter.graph.append import append
    from exporter.graph.core_outputs import UNCLIPPED
    from exporter.graph.renamed import renamed

    (images,) = given.graph.input
    (boxes,) = (output.name for output in given.graph.output if output.name in ("kept_boxes", "pred_boxes"))
    axes = [layout.index(side) for side in "whwh"]
    dims = [images.type.tensor_type.shape.dim[axis] for axis in axes]

    def tail(op: "Op", values: "dict[str, Tensor]") -> "Outputs":
        import onnx_ir as ir

        most = [float(dim.dim_value) for dim in dims]
        if not all(dim.HasField("dim_value") for dim in dims):
            most = op.Cast(op.Gather(op.Shape(values[images.name]), axes), to=ir.DataType.FLOAT)
        unclipped = values[UNCLIPPED]
        clipped = op.Max(op.Min(unclipped, most), 0.0)
        others = {name: (value, value.shape) for name, value in values.items() if name not in (UNCLIPPED, images.name)}
        return {boxes: (clipped, unclipped.shape), **others}

    return append(renamed(given, {boxes: UNCLIPPED}), "boxes", tail, beside=[images])
