"""Bounds on mAP, beyond which a build fails."""

from pydantic import Field

from exporter.evaluation import EvaluationNode, Gates


class GatedEvaluation(EvaluationNode):
    """Both gates are in points of mAP@[.5:.95], of 100. `max_drop` is what quantization may cost against the FP32
    artifact of the same recipe; `min_map` is what the artifact has to reach by itself, which also catches a mistake
    that both share: wrong normalisation, swapped channels, labels or weights of something else."""

    max_drop: float | None = Field(None, ge=0, le=100)
    min_map: float | None = Field(None, ge=0, le=100)

    @property
    def gates(self) -> Gates:
        """Those two."""
        return Gates(self.max_drop, self.min_map)
