"""Which precision a network computes in, and what that takes: statistics, placement of Q/DQ pairs, arithmetic.

Not here: rewriting graphs as such (`graph`), and where calibration images come from (`calibration`).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from exporter.common.node import Node
from exporter.common.options import lazily

if TYPE_CHECKING:
    from exporter.quantization.quantized import Quantized
    from exporter.quantization.task import Task
else:
    __getattr__ = lazily(__name__)


class QuantizationNode(Node, ABC):
    """Base of the quantizers. What the stages of a build have to know of one:

    quantizes: whether it changes the precision; needs_calibration: whether `quantize` goes through images;
    needs_network: whether it works on the torch network rather than on its graph; weighs_detections: whether it looks
    at what the artifact would detect.
    bounds: of the proof's metrics, see `exporter.proof.bounds`; beyond them the artifact is not the network;
    beyond_bounds: what a user may do then.
    minimum_opset: of the graph; package: on the index, for `versions` in the manifest, where another one does the work.
    only_for, instead: the backends that can take it, none: all, and what others take in its place.
    """

    place: ClassVar[str] = "quantization"
    quantizes: ClassVar[bool] = True
    needs_calibration: ClassVar[bool] = True
    needs_network: ClassVar[bool] = False
    weighs_detections: ClassVar[bool] = False
    bounds: ClassVar[Mapping[str, float]]
    beyond_bounds: ClassVar[str] = ""
    minimum_opset: ClassVar[int] = 18
    package: ClassVar[str | None] = None
    only_for: ClassVar[tuple[str, ...]] = ()
    instead: ClassVar[str] = "int8"

    def scheme_for(self, backend: str) -> str:
        """ "u8s8" or "s8s8": what is asked for, else that of the backend."""
        return backend

    def problems(self, method: str, scheme: str) -> Iterator[str]:
        """Clauses for what it cannot do: `calibration.method`, the scheme that `scheme_for` gives, a package that is
        not installed."""
        yield from ()

    @abstractmethod
    def quantize(self, task: "Task") -> "Quantized":
        """The core in the wanted precision. Raises RequestError for settings that do not fit the network and for unfit
        images, BuildError for values that are not finite."""
