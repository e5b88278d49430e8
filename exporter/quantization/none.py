"""No quantization: the core stays as it is, float32 or what somebody else made of that."""

from collections.abc import Mapping
from typing import ClassVar

from exporter.common import error_bounds
from exporter.quantization import QuantizationNode
from exporter.quantization.quantized import Quantized
from exporter.quantization.task import Task


class NoQuantization(QuantizationNode):
    """conf/quantization/none.yaml."""

    quantizes: ClassVar[bool] = False
    needs_calibration: ClassVar[bool] = False
    bounds: ClassVar[Mapping[str, float]] = error_bounds.FLOAT32

    def quantize(self, task: Task) -> Quantized:
        """The core as it is. Of one that is quantized already, what is counted in it."""
        from exporter.graph.facts import is_quantized
        from exporter.quantization import section
        from exporter.quantization.summary import summarize

        if not is_quantized(task.core):
            return Quantized(task.core, section.Float32())
        return Quantized(task.core, section.Int8(scheme="as it was given", **dict(summarize(task.core))))
