"""What every calibration node has besides its pictures: how ranges come from what is seen of them."""

from typing import Literal

from pydantic import Field

from exporter.node import Node


class CalibrationNode(Node):
    """The methods are those of `exporter.quantization.ranges`; `percentile` is read by the method of that name."""

    num_images: int = Field(ge=1)
    method: Literal["minmax", "moving_average", "percentile", "mse", "entropy"]
    percentile: float = Field(99.99, gt=50, le=100)
