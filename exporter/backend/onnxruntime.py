"""ONNX Runtime, on the CPU unless told otherwise: what an artifact for it is proved on, here, when it is built."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from exporter.backend import BackendNode
from exporter.backend.rtx_limits import not_in_rtx
from exporter.common import error_bounds

if TYPE_CHECKING:
    import onnx

    from exporter.backend.request import Request
    from exporter.backend.section import Backend as BackendSection
    from exporter.preprocessing.section import Input as InputSection
    from exporter.runtime.onnx_runtime import OnnxRuntimeEngine


NVIDIA_COMPILES = ("tensorrt", "tensorrt_rtx")
"""Providers that hand the graph to TensorRT's parser."""
NO_CUDA_KERNEL = {"Resize": 19, "ReduceMax": 20}
"""Operators of these networks, and the opset from which ONNX Runtime's CUDA provider has no kernel for them (1.31.1, on
an H100)."""


class OnnxRuntime(BackendNode):
    """uint8 activations with int8 per-channel weights (U8S8) are what its CPU kernels are fast with; symmetric int8
    activations run, but slower than FP32 (measured 1.3 to 1.4 times its time), so they must be asked for."""

    provider: Literal["cpu", "openvino", "cuda", "tensorrt", "tensorrt_rtx"] = "cpu"
    tf32: bool = False
    cuda_graph: bool = False
    prefer_nhwc: bool = False
    allow_slow: bool = False

    @property
    def slow_int8(self) -> str | None:
        """On CUDA, unless it is allowed; in TensorRT it is not what this backend writes."""
        if self.provider in NVIDIA_COMPILES:
            return (
                f"its uint8 activations are not for backend.provider={self.provider}, whose parser refuses them or"
                " reads them as int8 (values above 127 saturate): take backend=tensorrt_rtx or tensorrt, whose INT8 is"
                " symmetric, or quantization=fp16"
            )
        if self.provider != "cuda" or self.allow_slow:
            return None
        return (
            "slower than FP16 with backend.provider=cuda, which has no kernel for it (YOLO-NAS-S on an H100: 6.6 ms,"
            " FP32 4.3, FP16 3.8): take quantization=fp16, or add backend.allow_slow=true"
        )

    def slow_opset(self, opset: int) -> str | None:
        """On CUDA, unless it is allowed."""
        without = [operator for operator, since in NO_CUDA_KERNEL.items() if opset >= since]
        if self.provider != "cuda" or self.allow_slow or not without:
            return None
        return (
            f"{' and '.join(without)} of that opset has no kernel in ONNX Runtime's CUDA provider: such nodes run on"
            " the CPU, with copies there and back: take export.opset=18, or add backend.allow_slow=true"
        )

    @property
    def bounds(self) -> dict[str, float]:
        """TF32 has the mantissa of float16; YOLO-NAS-S was 0.38 px off with it on an H100."""
        return {**error_bounds.FLOAT16, "max_box_error": 1.0} if self.tf32 else {}

    def problems(self, request: "Request", scheme: str) -> Iterator[str]:
        """A provider that is not there, what it cannot do, and INT8 that is slow."""
        from exporter.common.errors import RequestError
        from exporter.runtime.onnx_providers import check_provider

        try:
            check_provider(self.provider)
        except RequestError as error:
            yield str(error)
        yield from self._cuda_problems(request)
        if self.provider == "tensorrt_rtx":
            yield from not_in_rtx(request)
        if scheme != self.capabilities.scheme:
            yield (
                f"quantization.scheme={scheme}: slower than FP32 in ONNX Runtime on a CPU, which wants u8s8: leave it"
                " auto, or choose the backend it is for"
            )

    def _cuda_problems(self, request: "Request") -> Iterator[str]:
        """Settings of CUDA alone, and what stands in the way of a CUDA graph."""
        for key in ("tf32", "cuda_graph", "prefer_nhwc", "allow_slow"):
            if getattr(self, key) and self.provider != "cuda":
                yield f"backend.{key}=true: has no effect with backend.provider={self.provider}: leave it out"
        if not self.cuda_graph:
            return
        if request.input.dynamic_sides or request.input.fixed_batch is None or request.preprocessing.takes_raw_images:
            yield "backend.cuda_graph=true: a CUDA graph has fixed shapes: fix input.batch, height and width"
        if not request.nms.capturable:
            yield (
                f"backend.cuda_graph=true: postprocessing/nms={request.nms.name} cannot be captured: take"
                " postprocessing/nms=cluster postprocessing.nms.rounds=24, or none"
            )
        if request.nms.detects and request.format.operator is not None:
            yield (
                f"backend.cuda_graph=true: postprocessing/format={request.format.name} gives as many rows as there are"
                " detections: take postprocessing/format=batch"
            )

    @property
    def engine(self) -> "OnnxRuntimeEngine":
        """What it is proved and measured in."""
        from exporter.runtime.onnx_runtime import OnnxRuntimeEngine

        if self.provider != "cuda":
            return OnnxRuntimeEngine(self.provider)
        options = {"use_tf32": self.tf32, "enable_cuda_graph": self.cuda_graph, "prefer_nhwc": self.prefer_nhwc}
        told = {key: str(int(value)) for key, value in options.items() if value or key == "use_tf32"}
        return OnnxRuntimeEngine(self.provider, tuple(told.items()))

    def finish(self, model: "onnx.ModelProto") -> "onnx.ModelProto":
        """The graph as it will be published: in the form this engine is fastest with, without leftovers of its
        making."""
        from exporter.graph.align_channels import align_channels
        from exporter.graph.clean import strip_metadata
        from exporter.graph.last_softmax import last_softmax
        from exporter.graph.pool_as_conv import pool_as_conv
        from exporter.graph.resize_by_copies import resize_by_copies

        there = {node.op_type for node in model.graph.node}
        forms = {
            "Conv": align_channels,
            "AveragePool": pool_as_conv,
            "Resize": resize_by_copies,
            "Softmax": last_softmax,
        }
        for operator, form in forms.items():
            model = form(model) if operator in there else model
        return strip_metadata(model)

    def section(self, model: "onnx.ModelProto", input: "InputSection") -> "BackendSection":
        """The manifest's section `backend` of the finished `model`."""
        import onnxruntime

        from exporter.backend.section import Backend as BackendSection
        from exporter.runtime.onnx_providers import PROVIDERS

        where = "on CPU" if self.provider == "cpu" else f"with {PROVIDERS[self.provider].name}"
        return BackendSection(
            name=self.name,
            minimum_version=PROVIDERS[self.provider].since,
            verified=f"run and proved in onnxruntime {onnxruntime.__version__} {where}",
            settings=self.engine.settings,
        )
