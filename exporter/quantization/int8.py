"""INT8 after training: statistics of calibration pictures, then Q/DQ pairs where the policy puts them."""

from typing import ClassVar, Literal

from exporter.node import Node
from exporter.quantization.quantized import Quantized
from exporter.quantization.task import Task


class Int8(Node):
    """conf/quantization/int8.yaml says what the fields are."""

    name: ClassVar[str] = "int8"
    needs_calibration: ClassVar[bool] = True
    bounds: ClassVar[dict[str, float]] = {"mean_score_error": 0.01, "mean_box_error": 4.0, "max_map_drop": 1.0}

    scheme: Literal["auto", "u8s8", "s8s8"] = "auto"
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def quantize(self, task: Task) -> Quantized:
        """The core with its trunk in INT8.

        Raises RequestError for patterns that match nothing and for unfit pictures, BuildError for values that are not
        finite.
        """
        from exporter.errors import RequestError
        from exporter.graph import qdq
        from exporter.quantization import policy, ranges, statistics, upsample
        from exporter.quantization.scheme import SCHEMES
        from exporter.quantization.summary import summarize

        core, input_range, numbers = task.core, task.input_range, SCHEMES[task.scheme]
        assert task.pictures is not None  # `needs_calibration` says so
        included = policy.matching(core, self.include, "quantization.include")
        excluded = policy.matching(core, self.exclude, "quantization.exclude")
        barred = {name for names in excluded.values() for name in names}
        chosen = policy.convolutions(core, [name for names in included.values() for name in names], barred)
        if not numbers.symmetric:  # TensorRT has an integer ConvTranspose; the engines of the other scheme have none
            core, left = upsample.as_convolutions(core, chosen)
            chosen = [name for name in chosen if name not in left]
        nodes = [*chosen, *policy.carried_along(core, chosen, barred)]
        tensors = qdq.tensors_with_pairs(core, nodes)
        seen = statistics.collect(core, tensors, task.pictures, histograms=task.method in ranges.HISTOGRAM_METHODS)
        chosen_ranges = {
            tensor: ranges.choose(seen[tensor], task.method, numbers, task.percentile) for tensor in tensors
        }
        name = core.graph.input[0].name
        if input_range is not None and name in seen:
            low, high = seen[name].low, seen[name].high
            if low < input_range[0] or high > input_range[1]:
                raise RequestError(
                    f"calibration: pictures hold values from {low:g} to {high:g}, the network's input goes from "
                    f"{input_range[0]:g} to {input_range[1]:g}: normalise them as it was trained"
                )
            chosen_ranges[name] = input_range
        model = qdq.insert(core, nodes, chosen_ranges, numbers)
        summary = {
            "precision": "int8",
            "scheme": task.scheme,
            **summarize(model),
            "include": included,
            "exclude": excluded,
            "always_zero": [tensor for tensor in tensors if seen[tensor].low == seen[tensor].high == 0],
        }
        return Quantized(model, summary)
