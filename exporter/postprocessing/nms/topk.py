"""No suppression, only the best: for networks that give one box an object (DETRs, end-to-end heads)."""

from typing import TYPE_CHECKING

from pydantic import Field

from exporter.common.capabilities import ANY, Capabilities
from exporter.postprocessing.nms import NmsNode
from exporter.postprocessing.nms.thresholds import Threshold
from exporter.postprocessing.parameters import NmsParameters

if TYPE_CHECKING:
    import onnx

    from exporter.graph.append import Op, Outputs, Tensor

NOTHING_OVERLAPS_MORE = 1.0


class TopkNms(NmsNode):
    """conf/postprocessing/nms/topk.yaml says what the fields are. The same rules and the same order as with
    suppression; what is no number is no detection."""

    confidence_threshold: Threshold = "auto"
    max_predictions_per_image: int = Field(300, ge=1)
    multi_label: bool = True

    @property
    def parameters(self) -> NmsParameters:
        """Of a suppression in which no candidate overlaps another by more than the threshold; see the base."""
        return NmsParameters(
            self._confidence, NOTHING_OVERLAPS_MORE, None, None, self.max_predictions_per_image, False, self.multi_label
        )

    @property
    def _confidence(self) -> float:
        if self.confidence_threshold == "auto":
            raise ValueError('confidence_threshold is "auto": call resolved() first')
        return self.confidence_threshold

    def resolved(
        self, confidence: float, overlap: float, backend: Capabilities = ANY, own: str | None = None
    ) -> "TopkNms":
        """A number that was set stays."""
        if self.confidence_threshold != "auto":
            return self
        return self.model_copy(update={"confidence_threshold": confidence})

    def attach(self, core: "onnx.ModelProto") -> "onnx.ModelProto":
        """`core` with the best pairs of each image; see `exporter.postprocessing.nms.onnx.OnnxNms.attach`. Raises
        ValueError while the threshold is "auto"."""
        from exporter.graph.append import append

        return append(core, "nms", self._tail)

    def _tail(self, op: "Op", core: dict[str, "Tensor"]) -> "Outputs":
        from exporter.postprocessing.nms import candidates, suppression

        if "box_logits" in core:
            boxes, scores = candidates.decode(op, core["box_logits"], core["anchors"]), op.Sigmoid(core["class_logits"])
        else:
            boxes, scores = core["boxes"], op.Transpose(core["scores"], perm=[0, 2, 1])
        scores = candidates.candidates(op, boxes, scores, self._confidence)
        if not self.multi_label and scores.shape[1] != 1:
            scores = suppression.best_class(op, boxes, scores)
        return suppression.rank(op, boxes, scores, self._confidence, self.max_predictions_per_image)
