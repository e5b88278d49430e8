"""What every quantization node gives."""

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import onnx


class Quantized(NamedTuple):
    """A core in the wanted precision and what was done, JSON-able, for the manifest."""

    model: "onnx.ModelProto"
    summary: dict[str, Any]
