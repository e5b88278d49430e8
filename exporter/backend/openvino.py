"""OpenVINO on the CPU: reads the ONNX artifact as it is, fuses the Q/DQ pairs of ONNX Runtime's scheme (u8s8, per
channel), and can have its own form of the same graph (IR) beside it.

Nothing is rearranged for it: of the networks here every integer convolution, concatenation and upsampling runs in
integers as the pairs stand. It changes precision by itself where it is not told which, so that is a setting here.
Symmetric int8 (s8s8) is fast in it, and wrong without VNNI: its activations are shifted to bytes there, whose products
with 8 bits of weights saturate in 16 (10 of 91 points of mAP were left of YOLO-NAS-S on a CPU with AVX2 alone).
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from exporter.common.node import Node

if TYPE_CHECKING:
    import onnx

    from exporter.backend.section import Backend as BackendSection
    from exporter.preprocessing.section import Input as InputSection
    from exporter.runtime.openvino import OpenVinoEngine


class OpenVino(Node):
    """conf/backend/openvino.yaml says what the fields are."""

    name: ClassVar[str] = "openvino"
    package: ClassVar[str] = "openvino"
    quantization_scheme: ClassVar[str] = "u8s8"
    max_candidates: ClassVar[int | None] = None  # that enter suppression
    takes_any_size: ClassVar[bool] = True  # so a graph of a dynamic size has to refuse some by itself

    precision: Literal["f32", "bf16", "f16"] = "f32"
    ir: bool = False

    def problems(self, recipe: Any) -> Iterator[str]:
        """Clauses for what cannot be built here, from the recipe and this machine alone."""
        from exporter.common.errors import RequestError
        from exporter.runtime.openvino import check_precision, installed

        scheme = getattr(recipe.quantization, "scheme", "auto")
        if scheme not in ("auto", self.quantization_scheme):
            yield (
                f"quantization.scheme={scheme}: saturates in OpenVINO on a CPU without VNNI, and then detects nothing:"
                f" leave it auto ({self.quantization_scheme}), or take the backend it is for"
            )
        if not installed():
            yield (
                "backend=openvino: the package openvino is not installed here, so nothing could be proved in it: pip"
                " install exporter[openvino], or take backend=onnxruntime"
            )
        elif self.precision != "f32":
            try:
                check_precision(self.precision)
            except RequestError as error:
                yield str(error)

    @property
    def engine(self) -> "OpenVinoEngine":
        """What it is proved and measured in."""
        from exporter.runtime.openvino import OpenVinoEngine

        return OpenVinoEngine(self.precision)

    def check_core(self, core: "onnx.ModelProto") -> None:
        """Before the long work: raises RequestError where OpenVINO lacks an operator of the network."""
        from exporter.runtime.openvino import check_operators

        check_operators(core.SerializeToString())

    def finish(self, model: "onnx.ModelProto") -> "onnx.ModelProto":
        """The graph as it will be published, without leftovers of its making."""
        from exporter.graph.clean import strip_metadata

        return strip_metadata(model)

    def section(self, model: "onnx.ModelProto", input: "InputSection") -> "BackendSection":
        """The manifest's section `backend` of the finished `model`."""
        from exporter.backend.section import Backend as BackendSection
        from exporter.runtime.openvino import about

        return BackendSection(
            name=self.name,
            minimum_version="2026.4",  # older ones were not tried
            verified=f"run and proved in openvino {about()['version']} on CPU",
            settings=self.engine.settings,
        )
