"""FP16 for GPUs: the network in float16, decoding and post-processing in float32.

Float16 holds 11 digits (binary) of numbers from 6e-5 to 65504. Rounding to them costs a network next to nothing;
leaving that range costs it everything. So no image is needed to choose anything, but some are run to look for layers
whose values leave it: those stay in float32.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar

from exporter.common import error_bounds
from exporter.quantization import QuantizationNode
from exporter.quantization.quantized import Quantized
from exporter.quantization.task import Task

if TYPE_CHECKING:
    import numpy as np
    import onnx

LARGEST = 65504.0
SMALLEST = 2.0**-14  # below, a float16 is subnormal and loses digits
MARGIN = 4  # other images may go beyond the largest value that is found on a few


class Fp16(QuantizationNode):
    """conf/quantization/fp16.yaml says what the fields are."""

    needs_calibration: ClassVar[bool] = False
    bounds: ClassVar[Mapping[str, float]] = error_bounds.FLOAT16

    exclude: tuple[str, ...] = ()

    def quantize(self, task: Task) -> Quantized:
        """The core with its trunk in float16.

        Synthetic images, noise, black and white go through the core, normalised as the task says; which images does not
        matter much, for no range is taken from them.
        Raises RequestError for patterns that match nothing or leave nothing, BuildError for values that are not finite.
        """
        from exporter.common.errors import RequestError
        from exporter.graph import fp16
        from exporter.quantization import policy, probes, section
        from exporter.quantization.summary import summarize_fp16

        core = task.core
        excluded = policy.matching(core, self.exclude, "quantization.exclude")
        able = fp16.nodes_in_fp16(core)
        left = beyond(task, able)
        left |= {name: f"excluded by {pattern}" for pattern, names in excluded.items() for name in names}
        chosen = fp16.nodes_in_fp16(core, left)
        if not chosen:
            raise RequestError("quantization=fp16: no layer is left to compute in float16; use quantization=none")
        model = fp16.to_fp16(core, chosen)
        reasons = {name: left.get(name, "reads float32 and only moves it") for name in able if name not in chosen}
        summary = section.Fp16(
            engines="for GPUs: a CPU computes it in float32, with casts, and so slower than the float32 artifact",
            **dict(summarize_fp16(model)),
            nodes={"float16": len(chosen), "float32": len(core.graph.node) - len(chosen)},
            left_in_float32=reasons,
            exclude=excluded,
            probes=probes.DESCRIPTION,
        )
        return Quantized(model, summary)


def beyond(task: Task, nodes: list[str]) -> dict[str, str]:
    """Those of the core's nodes of these names that read or write what float16 cannot hold, and why: values too large
    for it, or a tensor whose largest value is below its normal numbers, so that all of it loses digits. Single small
    values do not matter beside larger ones, and a tensor of zeros stays zeros. Sums inside an operator are the engine's
    business. See `Fp16.quantize` for the images that are tried, and what is raised."""
    from exporter.graph import fp16
    from exporter.quantization.probes import probes

    assert task.normalization is not None  # a recipe without one is refused at composition
    core = task.core
    images = probes(core, task.size, task.normalization)
    tensors = fp16.reads_and_writes(core, nodes)
    stored = {tensor.name for tensor in core.graph.initializer}
    largest = _largest(core, list(dict.fromkeys(name for names in tensors.values() for name in names)), images)
    beyond = {}
    for node, names in tensors.items():
        for name in names:
            limit = LARGEST if name in stored else LARGEST / MARGIN
            if largest[name] > limit:
                beyond.setdefault(node, f"{name} reaches {largest[name]:.3g}, float16 is safe to {limit:g}")
            elif 0 < largest[name] < SMALLEST:
                beyond.setdefault(
                    node, f"{name} reaches only {largest[name]:.3g}, float16 is precise from {SMALLEST:.2g}"
                )
    return beyond


def _largest(core: "onnx.ModelProto", names: list[str], probes: "Iterable[np.ndarray]") -> dict[str, float]:
    """The largest magnitude in each of these tensors: of weights as they are stored, of others over all probes."""
    import numpy as np
    from onnx import numpy_helper

    from exporter.quantization import observe

    weights = {tensor.name: tensor for tensor in core.graph.initializer}
    computed = [name for name in names if name not in weights]
    low_high = np.stack(list(observe.extremes(core, computed, probes)))  # [probes, tensors, 2]
    found = dict(zip(computed, np.abs(low_high).max(axis=(0, 2)).tolist(), strict=True))
    for name in names:
        if name in weights:
            found[name] = float(np.abs(numpy_helper.to_array(weights[name])).max(initial=0))
    return found
