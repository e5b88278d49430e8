"""Weights small enough for CPUs that add products up in 16 bits (see `exporter.quantization.scheme.PAIR_RANGE`): there
full ones saturate, which costs these networks a third of their mAP; on others those are a little finer. An artifact may
meet either, so small ones are the default wherever products with uint8 are. Of each output channel the largest weight
is then some 90 of 127, which costs hundredths of a point; 64 for all, the usual fix, costs tenths."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

import numpy as np

from exporter.proof.tensors import tensors
from exporter.quantization import observe
from exporter.quantization.plan import Plan
from exporter.quantization.section import ReducedRange
from exporter.quantization.sensitivity import quantization_error

Images = Iterable[np.ndarray]


def decided(plan: Plan, wanted: bool | Literal["auto", "measure"], images: Images | None) -> tuple[Plan, ReducedRange]:
    """The plan with full or reduced weights, and for the manifest: which, and where it was measured ("measure") the
    error of either, as from `exporter.quantization.sensitivity.quantization_error`, with all layers on integers, in the
    engine and on the machine that this runs on. Equal errors leave the full range. "auto" reduces where the scheme can
    saturate.

    images: float32 [n, 3, H, W] each; gone through twice for "measure", else left alone.
    """
    reduced = replace(plan, scheme=replace(plan.scheme, reduced=True))
    if wanted == "auto":
        wanted = not plan.scheme.symmetric
    if wanted != "measure":
        return (reduced if wanted else plan), ReducedRange(chosen=wanted, error=None)
    assert images is not None  # `needs_calibration` says so
    error = {"full": _error(plan, images), "reduced": _error(reduced, images)}
    better = error["reduced"] < error["full"]
    return (reduced if better else plan), ReducedRange(chosen=better, error=error)


def _error(plan: Plan, images: Images) -> float:
    """Of all layers on integers. Both networks run side by side, so that no image's outputs are kept."""
    models = (plan.core, plan.model(plan.layers))
    expected, got = (
        tensors(model.SerializeToString(), (batch for batch, _ in observe.batches(model, images))) for model in models
    )
    return quantization_error(expected, got)
