"""Detections as one row of fixed length for each image."""

from typing import TYPE_CHECKING

from exporter.postprocessing.format import FormatNode, Promise

if TYPE_CHECKING:
    import onnx

    from exporter.graph.append import Op, Outputs, Tensor


class BatchFormat(FormatNode):
    """Has no settings."""

    def promised(self, batch: int | str, limit: int | None, integers: str) -> list[Promise]:
        """See `attach`."""
        return [
            Promise("num_predictions", integers, (batch, 1)),
            Promise("pred_boxes", "float32", (batch, limit, 4)),
            Promise("pred_scores", "float32", (batch, limit)),
            Promise("pred_classes", integers, (batch, limit)),
        ]

    def attach(self, kept: "onnx.ModelProto") -> "onnx.ModelProto":
        """`kept` (what an NMS node returns) with its final outputs: num_predictions [B, 1] int64, pred_boxes
        [B, max, 4] float32 xyxy in input pixels, pred_scores [B, max] float32, pred_classes [B, max] int64, best first;
        rows from num_predictions on are -1. Of TensorRT's plugin, whose integers are int32, its outputs as they are:
        those rows are unspecified."""
        from exporter.graph.append import append

        return append(kept, "format", _tail)


def _tail(op: "Op", kept: dict[str, "Tensor"]) -> "Outputs":
    import onnx_ir as ir

    batch, limit = kept["kept_scores"].shape
    if kept["num_kept"].dtype == ir.DataType.INT32:
        final = {"num_predictions": "num_kept"} | {f"pred_{x}": f"kept_{x}" for x in ("boxes", "scores", "classes")}
        return {new: (kept[old], kept[old].shape) for new, old in final.items()}
    used = op.Less(list(range(limit)), kept["num_kept"])  # [B, max]
    return {
        "num_predictions": (kept["num_kept"], [batch, 1]),
        "pred_boxes": (op.Where(op.Unsqueeze(used, [2]), kept["kept_boxes"], -1.0), [batch, limit, 4]),
        "pred_scores": (op.Where(used, kept["kept_scores"], -1.0), [batch, limit]),
        "pred_classes": (op.Where(used, kept["kept_classes"], -1), [batch, limit]),
    }
