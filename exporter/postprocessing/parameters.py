"""The parameters of non-maximum suppression in numbers: what the contract's plain reference computes with."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class NmsParameters:
    """As `exporter.postprocessing.nms.onnx.OnnxNms` says; thresholds in 0..1, None: any number. Held to what it says
    where it is read from a manifest, whose `postprocessing.outside` it is too."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    confidence_threshold: Share
    nms_threshold: Share
    num_pre_nms_predictions: Count | None
    max_candidates_per_image: Count | None
    max_predictions_per_image: Count
    class_agnostic: bool
    multi_label: bool
