"""No suppression: every box of the network, for applications with a post-processing of their own."""

from typing import TYPE_CHECKING, ClassVar

from exporter.postprocessing.nms import NmsNode

if TYPE_CHECKING:
    import onnx

    from exporter.graph.append import Op, Outputs, Tensor


class NoNms(NmsNode):
    """Has no settings."""

    detects: ClassVar[bool] = False

    def attach(self, core: "onnx.ModelProto") -> "onnx.ModelProto":
        """`core` with its final outputs: pred_boxes [B, N, 4] float32 xyxy in input pixels, not clipped, and
        pred_scores [B, N, C] float32 after the sigmoid."""
        from exporter.graph.append import append

        return append(core, "decode", _tail)


def _tail(op: "Op", core: dict[str, "Tensor"]) -> "Outputs":
    from exporter.postprocessing.nms.candidates import decode

    if "box_logits" in core:
        boxes = decode(op, core["box_logits"], core["anchors"])
        scores = op.Transpose(op.Sigmoid(core["class_logits"]), perm=[0, 2, 1])
        batch, classes, n = core["class_logits"].shape
    else:
        # Identity, so that the core's own names stay in the graph beside the new ones.
        boxes, scores = op.Identity(core["boxes"]), op.Identity(core["scores"])
        batch, n, classes = core["scores"].shape
    return {"pred_boxes": (boxes, [batch, n, 4]), "pred_scores": (scores, [batch, n, classes])}
