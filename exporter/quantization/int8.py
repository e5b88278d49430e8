"""INT8 after training: statistics of calibration pictures, then Q/DQ pairs where the policy puts them."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, Literal

from exporter.node import Node
from exporter.quantization.quantized import Quantized

if TYPE_CHECKING:
    import numpy as np
    import onnx


class Int8(Node):
    """conf/quantization/int8.yaml says what the fields are."""

    name: ClassVar[str] = "int8"
    needs_calibration: ClassVar[bool] = True
    bounds: ClassVar[dict[str, float]] = {"mean_score_error": 0.01, "mean_box_error": 4.0, "max_map_drop": 1.0}

    scheme: Literal["auto", "u8s8", "s8s8"] = "auto"
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def quantize(
        self,
        core: "onnx.ModelProto",
        images: "Iterable[np.ndarray]",
        *,
        method: str,
        scheme: str,
        input_range: tuple[float, float] | None,
        percentile: float = 99.99,
    ) -> Quantized:
        """`core` (float32, see `exporter.graph.trace`) with its trunk in INT8; the argument stays as it is.

        images: calibration pictures, float32 [n, 3, H, W] each, normalised. method: how ranges come from them.
        scheme: "u8s8" or "s8s8", what "auto" stands for having been decided. input_range: the lowest and highest value
        that `images` can hold by its nature, (0, 1) for x/255: in u8s8 its scale is then exactly 1/255 and its zero
        point 0, so that the picture's bytes are the quantized tensor; None takes what the pictures hold.
        Raises RequestError for patterns that match nothing and for unfit pictures, BuildError for values that are not
        finite.
        """
        from exporter.errors import RequestError
        from exporter.graph import qdq
        from exporter.quantization import policy, ranges, statistics, upsample
        from exporter.quantization.scheme import SCHEMES
        from exporter.quantization.summary import summarize

        numbers = SCHEMES[scheme]
        included = policy.matching(core, self.include, "quantization.include")
        excluded = policy.matching(core, self.exclude, "quantization.exclude")
        barred = {name for names in excluded.values() for name in names}
        chosen = policy.convolutions(core, [name for names in included.values() for name in names], barred)
        if not numbers.symmetric:  # TensorRT has an integer ConvTranspose; the engines of the other scheme have none
            core, left = upsample.as_convolutions(core, chosen)
            chosen = [name for name in chosen if name not in left]
        nodes = [*chosen, *policy.carried_along(core, chosen, barred)]
        tensors = qdq.tensors_with_pairs(core, nodes)
        seen = statistics.collect(core, tensors, images, histograms=method in ranges.HISTOGRAM_METHODS)
        chosen_ranges = {tensor: ranges.choose(seen[tensor], method, numbers, percentile) for tensor in tensors}
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
            "scheme": scheme,
            **summarize(model),
            "include": included,
            "exclude": excluded,
            "always_zero": [tensor for tensor in tensors if seen[tensor].low == seen[tensor].high == 0],
        }
        return Quantized(model, summary)
