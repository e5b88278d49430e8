"""INT8 after training: statistics of calibration images, then Q/DQ pairs where the policy puts them."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from exporter.common import error_bounds
from exporter.quantization.quantized import Quantized
from exporter.quantization.selection import LayerSelection
from exporter.quantization.task import Task

if TYPE_CHECKING:
    from exporter.quantization.plan import Plan
    from exporter.quantization.section import ReducedRange


class Int8(LayerSelection):
    """conf/quantization/int8.yaml says what the fields are."""

    bounds: ClassVar[Mapping[str, float]] = error_bounds.INT8
    beyond_bounds: ClassVar[str] = (
        "try other ranges (calibration.method=measure) or leave layers in float (quantization.exclude, or"
        " quantization=mixed)"
    )

    scheme: Literal["auto", "u8s8", "s8s8"] = "auto"
    per_channel: bool = True
    reduce_range: bool | Literal["auto", "measure"] = "auto"
    bias_correction: bool = True
    linear_layers: bool = False

    def scheme_for(self, backend: str) -> str:
        """See the base."""
        return backend if self.scheme == "auto" else self.scheme

    def problems(self, method: str, scheme: str) -> Iterator[str]:
        """A clause for a `reduce_range` that nothing needs."""
        if self.reduce_range in (True, "measure") and scheme != "u8s8":
            yield (
                "quantization.reduce_range: only products with uint8 can saturate, and the scheme is"
                f" {scheme}: leave it out"
            )

    def quantize(self, task: Task) -> Quantized:
        """The core with its trunk in INT8.

        Raises RequestError for patterns that match nothing, for more layers at the ends than there are and for unfit
        images, BuildError for values that are not finite.
        """
        from exporter.quantization import section
        from exporter.quantization.summary import summarize

        known, reduce_range = self._planned(task)
        model = known.model(known.layers)
        return Quantized(
            model,
            section.Int8(scheme=task.scheme, **dict(summarize(model)), reduce_range=reduce_range, **known.choices),
        )

    def _planned(self, task: Task) -> "tuple[Plan, ReducedRange]":
        """What the fields come to for this core and these images, and whether weights are reduced."""
        from exporter.quantization.plan import plan
        from exporter.quantization.reduce_range import decided

        full = plan(task, self, self.per_channel, self.bias_correction, self.linear_layers)
        return decided(full, self.reduce_range, task)
