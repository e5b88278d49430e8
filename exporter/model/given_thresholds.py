"""Thresholds of a network that the exporter does not know by name: the recipe gives them."""

from pydantic import Field

from exporter.model import ModelNode


class ThresholdsGiven(ModelNode):
    """What the NMS takes where its own are auto: confidence and IoU, 0..1."""

    confidence_threshold: float = Field(ge=0, le=1)
    nms_threshold: float = Field(ge=0, le=1)

    @property
    def thresholds(self) -> tuple[float, float]:
        """Those two."""
        return self.confidence_threshold, self.nms_threshold
