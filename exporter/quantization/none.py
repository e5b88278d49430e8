"""No quantization: the core stays as it is, float32 or what somebody else made of that."""

from typing import ClassVar

from exporter.quantization import QuantizationNode
from exporter.quantization.quantized import Quantized
from exporter.quantization.task import Task


class NoQuantization(QuantizationNode):
    """conf/quantization/none.yaml."""

    quantizes: ClassVar[bool] = False
    needs_calibration: ClassVar[bool] = False
    # Float32 twice, in another order of operations; boxes reach 640 px, where a float32 ends at 6e-5 px.
    bounds: ClassVar[dict[str, float]] = {
        "max_score_error": 1e-3, "max_box_error": 0.05, "max_map_drop": 0.1, "max_score_shift": 1e-3,
    }  # fmt: skip

    def quantize(self, task: Task) -> Quantized:
        """The core as it is. Of one that is quantized already, what is counted in it."""
        from exporter.graph.facts import is_quantized
        from exporter.quantization import section
        from exporter.quantization.summary import summarize

        if not is_quantized(task.core):
            return Quantized(task.core, section.Float32())
        return Quantized(task.core, section.Int8(scheme="as it was given", **dict(summarize(task.core))))
