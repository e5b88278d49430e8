"""Weights small enough for CPUs that add products up in 16 bits (see `exporter.quantization.scheme.PAIR_RANGE`): there
full ones saturate, which costs these networks a third of their mAP; on others those are a little finer. An artifact may
meet either, so small ones are the default wherever products with uint8 are. Of each output channel the largest weight
is then some 90 of 127, which costs hundredths of a point; 64 for all, the usual fix, costs tenths."""

from typing import Literal

from exporter.quantization.plan import Plan, errors_of
from exporter.quantization.section import ReducedRange
from exporter.quantization.task import Task


def decided(plan: Plan, wanted: bool | Literal["auto", "measure"], task: Task) -> tuple[Plan, ReducedRange]:
    """The plan with full or reduced weights, and for the manifest: which, and where it was measured ("measure") the
    error of either, see `exporter.quantization.error`, with all layers on integers. Equal errors leave the full range.
    "auto" reduces where the scheme can saturate. The task's images are gone through for "measure" only.
    """
    if wanted == "auto":
        safe = plan.safe
        return safe, ReducedRange(chosen=safe.scheme.reduced, error=None)
    if wanted != "measure":
        return (plan.reduced if wanted else plan), ReducedRange(chosen=wanted, error=None)
    error = errors_of({"full": plan, "reduced": plan.reduced}, task)
    better = error["reduced"] < error["full"]
    return (plan.reduced if better else plan), ReducedRange(chosen=better, error=error)
