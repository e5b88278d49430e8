"""What every quantization node gets."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from exporter.common.progress import Progress

if TYPE_CHECKING:
    import numpy as np
    import onnx
    from torch import nn

    from exporter.evaluation.examples import GroundTruth
    from exporter.postprocessing.nms import NmsNode
    from exporter.preprocessing.own_normalization import AnyNormalization
    from exporter.quantization.statistics import Statistics


ALREADY = (
    "the network is quantized already (it has operators on integers) and can only be taken as it is: set"
    " quantization=none, or give the float network that it was made from"
)
"""Whatever quantizes refuses this."""

Collect = Callable[..., "dict[str, Statistics]"]


@dataclass(frozen=True)
class Task:
    """A core graph to bring into another precision, and all there is to do it with.

    core: float32, see `exporter.graph.trace`; nobody changes it.
    normalization: how an image becomes the core's input, None where nobody knows.
    size: height and width of the images to try it on; needed only where the core's own are dynamic.
    images: for calibration, float32 [n, 3, H, W] each, normalised; every pass over them gives the same ones again.
    None where the node needs none.
    method, percentile: how ranges come from what is seen, see `exporter.quantization.ranges`.
    scheme: "u8s8" or "s8s8", what "auto" stands for having been decided.
    fused: whether the engine fuses activations, see `exporter.quantization.scheme.Scheme`.
    input_range: the lowest and highest value that `images` can hold by its nature, (0, 1) for x/255: in u8s8 its
    scale is then exactly 1/255 and its zero point 0, so that the image's bytes are the quantized tensor; None takes
    what the images hold.
    network: the torch network that the core is of, eval mode and fused, for quantizers that work on networks; None
    where there is only a graph.
    ground_truths: starts a pass over what is on the images, see `CalibrationNode.ground_truths`.
    unordered: whether the network gives a set of boxes, see `ModelFacts`.
    nms: what makes detections of the core's outputs, thresholds decided; None where the node does not weigh them.
    collect: what remembers what `exporter.quantization.statistics.collect` gave; None: that itself.
    progress: where to say what takes long.
    """

    core: "onnx.ModelProto"
    normalization: "AnyNormalization | None" = None
    size: tuple[int, int] | None = None
    images: "Iterable[np.ndarray] | None" = None
    method: str = "minmax"
    percentile: float = 99.99
    scheme: str = "u8s8"
    fused: bool = False
    input_range: tuple[float, float] | None = None
    network: "nn.Module | None" = None
    ground_truths: "Callable[[], Iterator[GroundTruth] | None]" = lambda: None
    unordered: bool = False
    nms: "NmsNode | None" = None
    collect: Collect | None = None
    progress: Progress = field(default_factory=Progress)
