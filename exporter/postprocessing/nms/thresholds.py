"""The two thresholds that every suppression has: numbers, or the model's own."""

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from exporter.postprocessing.nms import NmsNode


def _one_message(value: Any, check: ValidatorFunctionWrapHandler) -> float | Literal["auto"]:
    """pydantic would complain once for each member of the union."""
    try:
        return check(value)
    except ValidationError:
        raise ValueError("give a number from 0 to 1, or auto for the model's") from None


Threshold = Annotated[
    Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | Literal["auto"], WrapValidator(_one_message)
]


class ThresholdNms(NmsNode):
    """Base of the suppressions. confidence_threshold: what a (box, class) pair has to score to be a candidate, 0..1;
    nms_threshold: the IoU, 0..1, from which a candidate is dropped for a better one; "auto": the model's."""

    confidence_threshold: Threshold = "auto"
    nms_threshold: Threshold = "auto"

    @property
    def thresholds(self) -> tuple[float, float]:
        """Both as numbers. Raises ValueError while one is "auto"."""
        if self.confidence_threshold == "auto" or self.nms_threshold == "auto":
            raise ValueError('confidence_threshold and nms_threshold are "auto": call resolved() first')
        return self.confidence_threshold, self.nms_threshold

    def given_or(self, confidence: float, overlap: float) -> dict[str, float]:
        """Both by name: those that were set, and these numbers, the model's, in place of "auto"."""
        return {
            "confidence_threshold": confidence if self.confidence_threshold == "auto" else self.confidence_threshold,
            "nms_threshold": overlap if self.nms_threshold == "auto" else self.nms_threshold,
        }
