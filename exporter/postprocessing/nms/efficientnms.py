"""Non-maximum suppression by TensorRT's plugin EfficientNMS_TRT: fixed shapes throughout, for TensorRT only."""

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, computed_field, field_validator

from exporter.common.capabilities import ANY, Capabilities
from exporter.graph.core_outputs import PLUGIN_DOMAIN, PLUGIN_SELECTS
from exporter.postprocessing.nms.thresholds import ThresholdNms
from exporter.postprocessing.parameters import NmsParameters

if TYPE_CHECKING:
    import onnx

    from exporter.graph.append import Op, Outputs, Tensor


class EfficientNms(ThresholdNms):
    """conf/postprocessing/nms/efficientnms.yaml says what the fields are.

    The plugin looks at every box, and its own limit of 4096 candidates holds: what `OnnxNms` calls
    num_pre_nms_predictions, max_candidates_per_image and multi_label is fixed here.
    """

    only_for: ClassVar[tuple[str, ...]] = ("tensorrt",)

    max_predictions_per_image: int = Field(300, ge=1, le=PLUGIN_SELECTS)
    class_agnostic: bool = False
    score_activation: bool = False

    @field_validator("nms_threshold")
    @classmethod
    def _above_zero(cls, value: float | Literal["auto"]) -> float | Literal["auto"]:
        if value == 0:  # the plugin's own description of its attributes leaves 0 out
            raise ValueError("the plugin takes a threshold above 0: take a small one, or postprocessing/nms=onnx")
        return value

    @computed_field
    @property
    def max_candidates_per_image(self) -> int:
        """The plugin's own."""
        return PLUGIN_SELECTS

    @computed_field
    @property
    def multi_label(self) -> bool:
        """The plugin's own: a box may be detected as several classes."""
        return True

    @property
    def parameters(self) -> NmsParameters:
        """Of all boxes; see the base."""
        return NmsParameters(
            *self.thresholds,
            None,
            self.max_candidates_per_image,
            self.max_predictions_per_image,
            self.class_agnostic,
            self.multi_label,
        )

    def resolved(
        self, confidence: float, overlap: float, backend: Capabilities = ANY, own: str | None = None
    ) -> "EfficientNms":
        """Numbers that were set stay. How many candidates there may be is up to the plugin."""
        return self.model_copy(update=self.given_or(confidence, overlap))

    def attach(self, core: "onnx.ModelProto") -> "onnx.ModelProto":
        """`core` with the plugin on its outputs: num_kept [B, 1] int32, kept_boxes [B, max, 4] float32 xyxy pixels,
        kept_scores [B, max] float32, kept_classes [B, max] int32, best first; rows from num_kept on mean nothing.

        Raises RequestError for `score_activation` with a network that gives scores, ValueError while a threshold is
        "auto"."""
        from exporter.graph.append import append

        return append(core, "nms", self._tail)

    def _tail(self, op: "Op", core: dict[str, "Tensor"]) -> "Outputs":
        import onnx_ir as ir

        confidence, iou = self.thresholds
        boxes, scores = self._inputs(op, core)
        outputs = op.EfficientNMS_TRT(
            boxes, scores, _domain=PLUGIN_DOMAIN, _version=1, _outputs=4, plugin_version="1",
            score_threshold=float(confidence), iou_threshold=float(iou), background_class=-1,
            max_output_boxes=self.max_predictions_per_image, score_activation=int(self.score_activation),
            class_agnostic=int(self.class_agnostic), box_coding=0,
        )  # fmt: skip
        batch, limit = next(iter(core.values())).shape[0], self.max_predictions_per_image
        names = ("num_kept", "kept_boxes", "kept_scores", "kept_classes")
        shapes = ([batch, 1], [batch, limit, 4], [batch, limit], [batch, limit])
        types = (ir.DataType.INT32, ir.DataType.FLOAT, ir.DataType.FLOAT, ir.DataType.INT32)
        for value, kind in zip(outputs, types, strict=True):
            value.type = ir.TensorType(kind)  # no inference knows the plugin
        return dict(zip(names, zip(outputs, shapes, strict=True), strict=True))

    def _inputs(self, op: "Op", core: dict[str, "Tensor"]) -> "tuple[Tensor, Tensor]":
        """Boxes [B, N, 4] and scores [B, N, C], or logits in their place where the plugin makes scores of them."""
        from exporter.common.errors import RequestError
        from exporter.postprocessing.nms.candidates import decode

        if "box_logits" in core:
            logits = core["class_logits"]  # [B, C, N]
            scores = logits if self.score_activation else op.Sigmoid(logits)
            return decode(op, core["box_logits"], core["anchors"]), op.Transpose(scores, perm=[0, 2, 1])
        if self.score_activation:
            raise RequestError(
                "postprocessing.nms.score_activation=true: this network gives scores and no logits: leave it out"
            )
        return core["boxes"], core["scores"]
