"""The parameters of non-maximum suppression in numbers: what the contract's plain reference computes with."""

from dataclasses import dataclass


@dataclass(frozen=True)
class NmsParameters:
    """As `exporter.postprocessing.nms.onnx.OnnxNms` says; thresholds in 0..1, None: any number."""

    confidence_threshold: float
    nms_threshold: float
    num_pre_nms_predictions: int | None
    max_candidates_per_image: int | None
    max_predictions_per_image: int
    class_agnostic: bool
    multi_label: bool
