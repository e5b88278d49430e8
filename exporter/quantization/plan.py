"""Everything that INT8 of a core needs to know, found out once; then any of the layers can be put on integers."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import onnx

from exporter.common.errors import RequestError
from exporter.graph import pooling, upsample
from exporter.graph.operators import WEIGHTED
from exporter.quantization import policy, qdq, ranges, statistics
from exporter.quantization.degenerate_range import check_filled
from exporter.quantization.error import errors
from exporter.quantization.scheme import SCHEMES, Scheme
from exporter.quantization.section import MeasuredRanges
from exporter.quantization.selection import LayerSelection, selected
from exporter.quantization.task import Task


@dataclass(frozen=True)
class Plan:
    """core: float32, with upsampling and pooling in a form that engines run on integers; layers: the names of those
    that may become INT8, in graph order; excluded: nodes that stay in float; ranges: of every tensor that any of them
    needs; means: of what convolutions read, empty without bias correction; choices, JSON-able, for the manifest:
    whether biases were corrected, the layers that `include`, `exclude`, `first_n` and `last_n` came to, in
    `always_zero` the tensors in which no image left anything, and in `measured_ranges` what was measured of methods."""

    core: onnx.ModelProto
    layers: Sequence[str]
    excluded: Collection[str]
    ranges: qdq.Ranges
    means: qdq.Means
    scheme: Scheme
    choices: dict[str, Any]

    def model(self, layers: Collection[str]) -> onnx.ModelProto:
        """The core with these of the layers in INT8, and with what goes along with them."""
        nodes = _nodes(self.core, layers, self.excluded, self.scheme)
        return qdq.insert(self.core, nodes, self.ranges, self.scheme, self.means)

    @property
    def reduced(self) -> "Plan":
        """With weights so small that no processor's sums saturate, see `PAIR_RANGE`."""
        return replace(self, scheme=replace(self.scheme, reduced=True))

    @property
    def safe(self) -> "Plan":
        """With reduced weights where those of its scheme can saturate."""
        return self if self.scheme.symmetric else self.reduced


def errors_of(plans: Mapping[str, Plan], task: Task) -> dict[str, float]:
    """The error of each on the task's images with all layers in INT8, see `exporter.quantization.error`."""
    assert task.images is not None  # `needs_calibration` says so
    core = next(iter(plans.values())).core
    models = {name: each.model(each.layers) for name, each in plans.items()}
    return errors(core, models, task.images, task.unordered)


def plan(
    task: Task,
    node: LayerSelection,
    per_channel: bool = True,
    bias_correction: bool = True,
    linear_layers: bool = False,
) -> Plan:
    """What the node's selection comes to for this core and these images; weights have their full range.

    Raises RequestError for patterns that match nothing, for more layers at the ends than there are, where no layer is
    left and for unfit images, BuildError for values that are not finite.
    """
    assert task.images is not None  # `needs_calibration` says so
    core, scheme = task.core, replace(SCHEMES[task.scheme], per_channel=per_channel, fused=task.fused)
    layers, excluded, choices = selected(core, node, linear_layers)
    if not scheme.symmetric:  # TensorRT has an integer ConvTranspose; the engines of the other scheme have none
        core, left = upsample.as_convolutions(core, layers)
        if set(layers) <= set(left):
            raise RequestError(
                f"quantization: the layers to quantize are transposed convolutions ({', '.join(layers[:3])}), which no"
                f" engine of scheme {task.scheme} runs on integers: select others too, or use quantization=none"
            )
        layers = [name for name in layers if name not in left]
        core = pooling.as_pooling(core)
    nodes = _nodes(core, layers, excluded, scheme)
    tensors = list(dict.fromkeys([*qdq.tensors_with_pairs(core, nodes, scheme.fused), *_products(core, nodes)]))
    read = _read_by(core, layers) if bias_correction else []
    histograms = task.method in ranges.HISTOGRAM_METHODS
    seen = (task.collect or statistics.collect)(core, tensors, task.images, histograms, averaged=read)
    name = core.graph.input[0].name
    own = {}
    if task.input_range is not None and name in seen:
        statistics.check_input(seen[name], task.input_range)
        own[name] = task.input_range
    if task.normalization is not None:
        check_filled(task, core, seen)
    choices = {"bias_correction": bias_correction, **choices, "always_zero": statistics.always_zero(seen)}
    means = {tensor: mean for tensor in read if (mean := seen[tensor].channel_means) is not None}

    def by(method: str) -> Plan:
        chosen = {tensor: ranges.choose(seen[tensor], method, scheme, task.percentile) for tensor in tensors}
        return Plan(core, layers, excluded, chosen | own, means, scheme, choices)

    if task.method == ranges.MEASURE:
        return _nearest({method: by(method) for method in ranges.METHODS}, task)
    return by(task.method)


def _nearest(plans: Mapping[str, Plan], task: Task) -> Plan:
    """Of plans by method the one with the least error, of equal ones the first. Sums that saturate would hide what
    the ranges do."""
    error = errors_of({method: each.safe for method, each in plans.items()}, task)
    chosen = min(error, key=error.__getitem__)
    measured = MeasuredRanges(chosen=chosen, error=error)
    return replace(plans[chosen], choices={**plans[chosen].choices, "measured_ranges": measured})


def _nodes(core: onnx.ModelProto, layers: Collection[str], excluded: Collection[str], scheme: Scheme) -> list[str]:
    return [*layers, *policy.carried_along(core, layers, excluded, scheme.fused)]


def _read_by(core: onnx.ModelProto, layers: Collection[str]) -> list[str]:
    """The tensors that the convolutions among the layers read."""
    wanted = set(layers)
    convolutions = (node for node in core.graph.node if node.name in wanted and node.op_type in WEIGHTED)
    return list(dict.fromkeys(node.input[0] for node in convolutions))


def _products(core: onnx.ModelProto, nodes: Collection[str]) -> list[str]:
    """What multiplications give. Where both sides of one are on integers it is no operation (see `quantization.qdq`);
    where fewer layers are, it needs a range of its own."""
    wanted = set(nodes)
    return [node.output[0] for node in core.graph.node if node.name in wanted and node.op_type == "Mul"]
