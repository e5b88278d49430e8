"""Calibration: the pictures whose activations give INT8 its ranges."""

from exporter.calibration.images import CalibrationImages

__all__ = ["CalibrationImages"]
