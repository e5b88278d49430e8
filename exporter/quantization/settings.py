"""What the runner has to know of every quantization node before it calls it."""

from typing import ClassVar

from exporter.common.node import Node

ALREADY = (
    "the network is quantized already (it has operators on integers) and can only be taken as it is: set"
    " quantization=none, or give the float network that it was made from"
)


class QuantizationNode(Node):
    """name: the option's. needs_calibration: whether `quantize` goes through pictures; needs_network: whether it works
    on the torch network rather than on its graph; weighs_detections: whether it looks at what the artifact would
    detect. bounds: of the proof's figures, see `exporter.proof.prove`; beyond them the artifact is not the network."""

    name: ClassVar[str]
    needs_calibration: ClassVar[bool]
    needs_network: ClassVar[bool] = False
    weighs_detections: ClassVar[bool] = False
    bounds: ClassVar[dict[str, float]]
