"""What every quantization node gives."""

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import onnx

    from exporter.quantization.section import Quantization


class Quantized(NamedTuple):
    """A core in the wanted precision and what was done, the manifest's section. variants: where the node chose
    among several cores, those to time beside it, by their number of layers on integers."""

    model: "onnx.ModelProto"
    summary: "Quantization"
    variants: "Mapping[int, Callable[[], onnx.ModelProto]]" = MappingProxyType({})
