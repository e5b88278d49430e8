"""INT8 by NNCF, Intel's quantizer, on the core graph: its own placement, ranges and bias correction.

What it gives is made for OpenVINO. Two steps that change no value bring it into the form that ONNX Runtime is fast
with: a pair behind every Concat and MaxPool, and uint8 in the place of int8 activations.
"""

import contextlib
import io
import logging
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from exporter.quantization.package_quantizer import PackageQuantizer
from exporter.quantization.task import Task

if TYPE_CHECKING:
    import numpy as np
    import onnx

    from exporter.quantization.selection import Selection


class Nncf(PackageQuantizer):
    """conf/quantization/nncf.yaml says what the fields are."""

    package: ClassVar[str | None] = "nncf"
    modules: ClassVar[tuple[str, ...]] = ("nncf",)
    remedy: ClassVar[str] = 'pip install "exporter[nncf]"'
    methods: ClassVar[tuple[str, ...]] = ("minmax", "percentile", "mse")

    def problems(self, method: str, scheme: str) -> Iterator[str]:
        """Also for engines that take symmetric int8 only."""
        yield from super().problems(method, scheme)
        if scheme != "u8s8":
            yield f"quantization=nncf: makes u8s8 only, the backend wants {scheme}: take int8 or modelopt"

    def _quantized(self, task: Task, selection: "Selection") -> "onnx.ModelProto":
        from exporter.graph import upsample
        from exporter.graph.clean import strip_metadata
        from exporter.graph.repeat_pairs import repeat_pairs
        from exporter.graph.unsigned_pairs import unsigned_pairs
        from exporter.quantization import policy

        core, left = upsample.as_convolutions(task.core, selection.layers)
        layers = [name for name in selection.layers if name not in left]
        able = {*layers, *policy.carried_along(core, layers, selection.excluded)}
        made = strip_metadata(_by_nncf(core, able, task))
        del made.graph.value_info[:]  # shapes of weights too, which change where the backend aligns channels
        made.graph.value_info.extend(core.graph.value_info)
        model = unsigned_pairs(repeat_pairs(made))
        return model if task.input_range is None else _with_input_range(model, task.input_range)

    def _facts(self, task: Task) -> dict[str, str]:
        return {"scheme": "u8s8"}


@dataclass(frozen=True)
class _Feeds:
    """What NNCF feeds the graph with in each of its passes: the images, in batches that the graph takes."""

    task: Task

    def __iter__(self) -> "Iterator[dict[str, np.ndarray]]":
        from exporter.quantization import observe

        assert self.task.images is not None  # `needs_calibration` says so
        for batch, _ in observe.batches(self.task.core, self.task.images):
            yield {self.task.core.graph.input[0].name: batch}


def _by_nncf(core: "onnx.ModelProto", able: set[str], task: Task) -> "onnx.ModelProto":
    """What NNCF makes of the core; it may touch the nodes of `able` only."""
    with _quiet():
        nncf = import_module("nncf")
        advanced = import_module("nncf.quantization.advanced_parameters")
        nncf.set_log_level(logging.ERROR)
        return nncf.quantize(
            core,
            nncf.Dataset(_Feeds(task)),
            preset=nncf.QuantizationPreset.MIXED,  # activations with a zero point of their own
            subset_size=sys.maxsize,  # all of them
            ignored_scope=nncf.IgnoredScope(names=[n.name for n in core.graph.node if n.name not in able]),
            advanced_parameters=advanced.AdvancedQuantizationParameters(
                # Weights in 7 bits for CPUs without VNNI: of all layers, where by default it is the first alone.
                overflow_fix=advanced.OverflowFix.ENABLE,
                activations_range_estimator_params=_range_estimator(task.method, task.percentile),
            ),
        )


def _range_estimator(method: str, percentile: float) -> Any:
    """How NNCF calls a calibration method. minmax: of all images. percentile: the mean over the images of the
    percentiles of each. mse: least squared error on a histogram of all values."""
    estimators = import_module("nncf.quantization.range_estimator")
    if method == "percentile":
        tail = estimators.StatisticsCollectorParameters(
            estimators.StatisticsType.QUANTILE,
            estimators.AggregatorType.MEAN,
            quantile_outlier_prob=(1 - percentile / 100) / 2,  # at each end
        )
        return estimators.RangeEstimatorParameters(min=tail, max=tail)
    return getattr(estimators.RangeEstimatorParametersSet, {"minmax": "MINMAX", "mse": "HISTOGRAM"}[method])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what NNCF prints (logs and bars on standard output) and sends (usage statistics to its makers: it looks
    for this variable when it is imported)."""
    before = os.environ.get("NNCF_CI")
    os.environ["NNCF_CI"] = "1"
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        if before is None:
            del os.environ["NNCF_CI"]
        else:
            os.environ["NNCF_CI"] = before


def _with_input_range(model: "onnx.ModelProto", input_range: tuple[float, float]) -> "onnx.ModelProto":
    """A copy in which the pair at the input covers this range, so that an image's bytes are its integers."""
    import onnx
    from onnx import numpy_helper

    from exporter.quantization import scheme

    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    parameters = dict(zip(("scale", "zero_point"), scheme.activation(*input_range, scheme.U8S8), strict=True))
    name = model.graph.input[0].name
    at_input = [n for n in changed.graph.node if n.op_type == "QuantizeLinear" and n.input[0] == name]
    integers = {node.output[0] for node in at_input}
    for node in changed.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear") and {node.input[0], *node.output} & integers:
            node.input[1:] = [f"{name}/{part}" for part in parameters]
    if integers:
        changed.graph.initializer.extend(
            numpy_helper.from_array(array, f"{name}/{part}") for part, array in parameters.items()
        )
    used = {value for node in changed.graph.node for value in node.input} | {o.name for o in changed.graph.output}
    kept = [tensor for tensor in changed.graph.initializer if tensor.name in used]
    del changed.graph.initializer[:]
    changed.graph.initializer.extend(kept)
    return changed
