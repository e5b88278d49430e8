"""What every calibration node has besides its pictures: how ranges come from what is seen of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from exporter.common.geometry import Geometry
from exporter.common.node import Node

if TYPE_CHECKING:
    from exporter.evaluation.examples import Truth


Tell = Callable[[Mapping[str, int]], object]
"""Is told what was odd about labels, by kind, see `exporter.evaluation.notes`."""


class CalibrationNode(Node):
    """The methods are those of `exporter.quantization.ranges`; `percentile` is read by the method of that name."""

    num_images: int = Field(ge=1)
    method: Literal["minmax", "moving_average", "percentile", "mse", "entropy"]
    percentile: float = Field(99.99, gt=50, le=100)

    def truths(self, class_names: Sequence[str], geometry: Geometry, tell: Tell = dict) -> "Iterator[Truth] | None":
        """What is on each picture, in their order, boxes in pixels of the network's input; None where nobody says, or
        not in these classes."""
        return None
