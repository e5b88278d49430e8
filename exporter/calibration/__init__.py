"""The images that INT8 gets its ranges from: where they lie, which are taken, and their digest.

Not what is made of their activations: that is `exporter.quantization`.
"""

from exporter.calibration.images import CalibrationImages

__all__ = ["CalibrationImages"]
