"""TensorRT for RTX: NVIDIA's compiler for GPUs of compute capability 7.5, 8.0, 8.6, 8.9, 12.0 and 12.1, which compiles
on any machine. Networks are strongly typed, and what TensorRT's parser takes this one takes too, but for plugins; it
has no implementation of NonMaxSuppression. What a build makes is proved in ONNX Runtime on the CPU and
compiled; running it needs such a GPU, and none was at hand.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from exporter.backend.rtx_limits import not_in_rtx
from exporter.backend.tensorrt import TensorRT, check_rules, in_its_words
from exporter.backend.tensorrt_limits import MAX_TOP_K
from exporter.common.capabilities import Capabilities

if TYPE_CHECKING:
    import onnx

    from exporter.backend.request import Request
    from exporter.backend.section import Backend
    from exporter.preprocessing.section import Input
    from exporter.runtime.tensorrt.library import Library


class TensorRtRtx(TensorRT):
    """conf/backend/tensorrt_rtx.yaml says what the field is. A graph for it is one for TensorRT 11."""

    capabilities: ClassVar[Capabilities] = Capabilities(
        scheme="s8s8",
        fuses_activations=True,
        max_candidates=MAX_TOP_K,
        any_size=False,
        own_nms="ClusterNms",
        own_nms_any_shape=True,
    )
    package: ClassVar[str | None] = "tensorrt-rtx-cu13-bindings"
    compiler: ClassVar[str | None] = "tensorrt_rtx"

    def problems(self, request: "Request", scheme: str) -> Iterator[str]:
        """What it cannot take or run, and a library that is not there."""
        from exporter.common.errors import RequestError

        try:
            _library()
        except RequestError as error:
            yield str(error)
        yield from not_in_rtx(request)
        yield from super().problems(request, scheme)

    def finish(self, model: "onnx.ModelProto") -> "onnx.ModelProto":
        """The graph as it will be published. Raises BuildError where the parser would not take it."""
        from exporter.backend.parse import parsed_by_nvidia

        finished = in_its_words(model)
        check_rules(finished)
        parsed_by_nvidia(finished)
        return finished

    def section(self, model: "onnx.ModelProto", input: "Input") -> "Backend":
        """The manifest's section `backend` of the finished `model`, which is compiled for it: seconds, and nothing is
        written. Raises BuildError where it cannot be."""
        import importlib.metadata

        from exporter.backend.section import Backend
        from exporter.runtime.tensorrt.network import Shapes, configured, parsed, serialized

        library, profile = _library(), self.profile(input)
        shapes = profile and Shapes(input.name, tuple(profile.min), tuple(profile.opt), tuple(profile.max))
        network = parsed(library, model.SerializeToString())
        serialized(network, configured(network, library.targets, shapes))
        return Backend(
            name=self.name,
            minimum_version="1.7",  # older ones were not tried
            verified=f"proved on CPU in onnxruntime {importlib.metadata.version('onnxruntime')}; compiled by"
            f" {library.label} for {', '.join(library.targets)}, not run",
            profile=profile,
        )


def _library() -> "Library":
    """Raises RequestError where it is not installed."""
    from exporter.common.errors import RequestError
    from exporter.runtime.tensorrt.library import installed

    library = installed("tensorrt_rtx")
    if library is None:
        raise RequestError(
            "backend=tensorrt_rtx: TensorRT-RTX is not installed here, so nothing could be compiled: pip install"
            " exporter[tensorrt-rtx] (no GPU needed), or take backend=tensorrt"
        )
    return library
