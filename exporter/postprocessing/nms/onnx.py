"""Non-maximum suppression in standard ONNX operators: runs wherever ONNX runs, for any batch."""

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, ValidationInfo, field_validator

from exporter.common.capabilities import ANY, Capabilities
from exporter.postprocessing.nms.thresholds import ThresholdNms
from exporter.postprocessing.parameters import NmsParameters

if TYPE_CHECKING:
    import onnx

    from exporter.graph.append import Op, Outputs, Tensor


class OnnxNms(ThresholdNms):
    """What counts as a detection, and how many of them. A score that is NaN or infinite is no candidate's, nor is any
    of a box with such a corner; see `exporter.postprocessing.nms.candidates`.

    confidence_threshold: candidates are the (box, class) pairs that score more than this, 0..1; "auto": the model's.
    nms_threshold: a candidate that overlaps a better one by more than this IoU, 0..1, is dropped; "auto": the model's.
    num_pre_nms_predictions: only this many boxes of an image, those with the highest best score, are looked at.
    max_candidates_per_image: only this many candidates of an image, those that come first in the order, enter
        suppression; None: all of them. TensorRT's EfficientNMS plugin takes 4096.
    max_predictions_per_image: at most this many pairs are kept, the best ones; not above the two limits before it.
    class_agnostic: candidates of different classes suppress each other too.
    multi_label: a box may be detected as several classes; otherwise only as its best one.
    """

    operator: ClassVar[str | None] = "NonMaxSuppression"

    num_pre_nms_predictions: int = Field(1000, ge=1)
    max_candidates_per_image: int | None = Field(None, ge=1)
    max_predictions_per_image: int = Field(300, ge=1, validate_default=True)
    class_agnostic: bool = False
    multi_label: bool = True

    @field_validator("max_predictions_per_image")
    @classmethod
    def _not_above_what_is_looked_at(cls, value: int, info: ValidationInfo) -> int:
        for limit in ("num_pre_nms_predictions", "max_candidates_per_image"):
            most = info.data.get(limit)
            if most is not None and value > most:
                raise ValueError(f"{value} is more than {limit} ({most}): lower it or raise the other")
        return value

    @property
    def capturable(self) -> bool:
        """See the base; NonMaxSuppression counts on the CPU."""
        return self.operator is None

    @property
    def parameters(self) -> NmsParameters:
        """See the base."""
        return NmsParameters(
            *self.thresholds,
            self.num_pre_nms_predictions,
            self.max_candidates_per_image,
            self.max_predictions_per_image,
            self.class_agnostic,
            self.multi_label,
        )

    def resolved(
        self, confidence: float, overlap: float, backend: Capabilities = ANY, own: str | None = None
    ) -> "OnnxNms":
        """Numbers that were set stay; where candidates are not limited, as many as the backend takes."""
        unset = self.given_or(confidence, overlap)
        if self.max_candidates_per_image is None and backend.max_candidates is not None:
            unset["max_candidates_per_image"] = max(backend.max_candidates, self.max_predictions_per_image)
        return type(self).model_validate(self.model_dump() | unset)

    def attach(self, core: "onnx.ModelProto") -> "onnx.ModelProto":
        """`core` with NMS on its outputs. B and max as in the contract, rows by score, ties by box, then by class:
        kept_boxes [B, max, 4] float32 xyxy pixels, kept_scores [B, max] float32, kept_classes [B, max] int64,
        num_kept [B, 1] int64; rows from num_kept on mean nothing. Raises ValueError while a threshold is "auto"."""
        from exporter.graph.append import append

        return append(core, "nms", self._tail)

    def _tail(self, op: "Op", core: dict[str, "Tensor"]) -> "Outputs":
        import numpy as np

        from exporter.postprocessing.nms import candidates, suppression

        confidence, iou = self.thresholds
        limit = self.max_predictions_per_image
        boxes, scores = self._candidates(op, core)

        # No IoU is above 1, so at this threshold (1 as the graph's float32 has it) no class can suppress another.
        agnostic = self.class_agnostic and np.float32(iou) < 1
        if self.max_candidates_per_image is not None:
            scores = candidates.cut(op, scores, self.max_candidates_per_image)
        if agnostic and self.multi_label and scores.shape[1] != 1:
            scores = suppression.best_class(op, boxes, scores, but_empty_boxes=True)
        suppress = suppression.suppress_across_classes if agnostic else suppression.suppress
        kept = suppress(op, boxes, scores, iou, confidence, limit)
        return suppression.rank(op, boxes, kept, confidence, limit)

    def _candidates(self, op: "Op", core: dict[str, "Tensor"]) -> "tuple[Tensor, Tensor]":
        """Boxes [B, K, 4] that are looked at, and scores [B, C, K] with 0 for every pair that is no candidate."""
        from exporter.postprocessing.nms import candidates, suppression

        if "box_logits" in core:
            boxes, scores = candidates.from_raw(op, **core, limit=self.num_pre_nms_predictions)
        else:
            boxes, scores = candidates.from_decoded(op, **core, limit=self.num_pre_nms_predictions)
        scores = candidates.candidates(op, boxes, scores, self.thresholds[0])
        if not self.multi_label and scores.shape[1] != 1:
            scores = suppression.best_class(op, boxes, scores)
        return boxes, scores
