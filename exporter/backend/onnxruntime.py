"""ONNX Runtime on the CPU: the engine that every artifact for it is proved on, here, when it is built."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from exporter.node import Node

if TYPE_CHECKING:
    import onnx


class OnnxRuntime(Node):
    """uint8 activations with int8 per-channel weights (U8S8) are what its CPU kernels are fast with; symmetric int8
    activations run, but slower than FP32 (measured 1.3 to 1.4 times its time), so they must be asked for."""

    name: ClassVar[str] = "onnxruntime"
    quantization_scheme: ClassVar[str] = "u8s8"
    minimum_version: ClassVar[str] = "1.17"  # reads IR 8 and opset 18 with all the int8 kernels used here

    def problems(self, recipe: Any) -> Iterator[str]:
        """Clauses for what this engine cannot run well, from the recipe alone."""
        scheme = getattr(recipe.quantization, "scheme", "auto")
        if scheme not in ("auto", self.quantization_scheme):
            yield (
                f"quantization.scheme={scheme}: slower than FP32 in ONNX Runtime on a CPU, which wants u8s8: leave it"
                " auto, or choose the backend it is for"
            )

    def finish(self, model: "onnx.ModelProto") -> "onnx.ModelProto":
        """The graph as it will be published: in the form this engine is fastest with, without leftovers of its making,
        valid ONNX under the full check."""
        from exporter.graph.align_channels import align_channels
        from exporter.graph.clean import check, strip_metadata

        finished = strip_metadata(align_channels(model))
        check(finished)
        return finished
