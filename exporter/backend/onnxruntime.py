"""ONNX Runtime, on the CPU unless told otherwise: what an artifact for it is proved on, here, when it is built."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from exporter.backend import BackendNode

if TYPE_CHECKING:
    import onnx

    from exporter.backend.request import Request
    from exporter.backend.section import Backend as BackendSection
    from exporter.preprocessing.section import Input as InputSection
    from exporter.runtime.onnx_runtime import OnnxRuntimeEngine


class OnnxRuntime(BackendNode):
    """uint8 activations with int8 per-channel weights (U8S8) are what its CPU kernels are fast with; symmetric int8
    activations run, but slower than FP32 (measured 1.3 to 1.4 times its time), so they must be asked for."""

    provider: Literal["cpu", "openvino", "cuda", "tensorrt"] = "cpu"

    def problems(self, request: "Request", scheme: str) -> Iterator[str]:
        """A provider that is not there, and INT8 that is slow."""
        from exporter.common.errors import RequestError
        from exporter.runtime.onnx_runtime import check_provider

        try:
            check_provider(self.provider)
        except RequestError as error:
            yield str(error)
        if scheme != self.capabilities.scheme:
            yield (
                f"quantization.scheme={scheme}: slower than FP32 in ONNX Runtime on a CPU, which wants u8s8: leave it"
                " auto, or choose the backend it is for"
            )

    @property
    def engine(self) -> "OnnxRuntimeEngine":
        """What it is proved and measured in."""
        from exporter.runtime.onnx_runtime import OnnxRuntimeEngine

        return OnnxRuntimeEngine(self.provider)

    def finish(self, model: "onnx.ModelProto") -> "onnx.ModelProto":
        """The graph as it will be published: in the form this engine is fastest with, without leftovers of its
        making."""
        from exporter.graph.align_channels import align_channels
        from exporter.graph.clean import strip_metadata

        return strip_metadata(align_channels(model))

    def section(self, model: "onnx.ModelProto", input: "InputSection") -> "BackendSection":
        """The manifest's section `backend` of the finished `model`."""
        import onnxruntime

        from exporter.backend.section import Backend as BackendSection
        from exporter.runtime.onnx_runtime import PROVIDERS

        where = "on CPU" if self.provider == "cpu" else f"with {PROVIDERS[self.provider]}"
        return BackendSection(
            name=self.name,
            minimum_version="1.17",  # reads IR 8 and opset 18 with all the int8 kernels used here
            verified=f"run and proved in onnxruntime {onnxruntime.__version__} {where}",
            settings=self.engine.settings,
        )
