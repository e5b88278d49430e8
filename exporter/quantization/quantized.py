"""What every quantization node gives."""

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import onnx


class Quantized(NamedTuple):
    """A core in the wanted precision and what was done, JSON-able, for the manifest. variants: where the node chose
    among several cores, those to time beside it, by their number of layers on integers."""

    model: "onnx.ModelProto"
    summary: dict[str, Any]
    variants: "Mapping[int, Callable[[], onnx.ModelProto]]" = MappingProxyType({})
