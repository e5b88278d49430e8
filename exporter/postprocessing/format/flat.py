"""Detections of all images in one table."""

from typing import TYPE_CHECKING, ClassVar

from exporter.postprocessing.format import FormatNode, Promise

if TYPE_CHECKING:
    import onnx

    from exporter.graph.append import Op, Outputs, Tensor


class FlatFormat(FormatNode):
    """Has no settings."""

    rows_by_image: ClassVar[bool] = False
    operator: ClassVar[str | None] = "NonZero"

    def promised(self, batch: int | str, limit: int | None, integers: str) -> list[Promise]:
        """See `attach`."""
        return [Promise("flat_predictions", "float32", (None, 7))]

    def attach(self, kept: "onnx.ModelProto") -> "onnx.ModelProto":
        """`kept` (what an NMS node returns) with its final output: flat_predictions [detections, 7] float32 (image
        index, x1, y1, x2, y2 in input pixels, score, class), images in order, the best of each first."""
        from exporter.graph.append import append

        return append(kept, "format", _tail)


def _tail(op: "Op", kept: dict[str, "Tensor"]) -> "Outputs":
    import onnx_ir as ir

    limit, count = kept["kept_scores"].shape[1], kept["num_kept"]
    if count.dtype == ir.DataType.INT32:  # TensorRT's plugin
        count = op.Cast(count, to=ir.DataType.INT64)
    used = op.Less(list(range(limit)), count)  # [B, max]
    used = op.Cast(used, to=ir.DataType.FLOAT)  # TensorRT's NonZero takes no bool
    row = op.Transpose(op.NonZero(used), perm=[1, 0])  # [detections, 2]: image, rank
    image = op.Cast(op.Gather(row, [0], axis=1), to=ir.DataType.FLOAT)  # [detections, 1]
    boxes = op.GatherND(kept["kept_boxes"], row)  # [detections, 4]
    score = op.Unsqueeze(op.GatherND(kept["kept_scores"], row), [1])  # [detections, 1]
    classes = op.Unsqueeze(op.GatherND(kept["kept_classes"], row), [1])  # [detections, 1]
    classes = op.Cast(classes, to=ir.DataType.FLOAT)
    return {"flat_predictions": (op.Concat(image, boxes, score, classes, axis=1), ["detections", 7])}
