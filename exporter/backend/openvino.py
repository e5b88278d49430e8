"""OpenVINO on the CPU: reads the ONNX artifact as it is, fuses the Q/DQ pairs of ONNX Runtime's scheme (u8s8, per
channel), and can have its own form of the same graph (IR) beside it.

Nothing is rearranged for it: of the networks here every integer convolution, concatenation and upsampling runs in
integers as the pairs stand, and SiLU within the convolution before it, as no pair stands between them (with one there
PP-YOLOE-S took 1.25 times as long). It changes precision by itself where it is not told which: hence the setting.
Symmetric int8 (s8s8) is fast in it, and wrong without VNNI: its activations are shifted to bytes there, whose products
with 8 bits of weights saturate in 16 (10 of 91 points of mAP were left of YOLO-NAS-S on a CPU with AVX2 alone).
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from exporter.backend import BackendNode
from exporter.common import error_bounds
from exporter.common.capabilities import Capabilities

if TYPE_CHECKING:
    import numpy as np
    import onnx

    from exporter.backend.request import Request
    from exporter.backend.section import Backend as BackendSection
    from exporter.preprocessing.section import Input as InputSection
    from exporter.runtime.openvino import OpenVinoEngine


IR = ("model.xml", "model.bin")


class OpenVino(BackendNode):
    """conf/backend/openvino.yaml says what the fields are."""

    capabilities: ClassVar[Capabilities] = Capabilities(fuses_activations=True, exact_pairs=False)
    package: ClassVar[str | None] = "openvino"

    precision: Literal["f32", "bf16", "f16"] = "f32"
    ir: bool = False

    def problems(self, request: "Request", scheme: str) -> Iterator[str]:
        """INT8 that saturates, a package or a precision that is not there."""
        from exporter.common.errors import RequestError
        from exporter.runtime.openvino import check_precision, installed

        if scheme != self.capabilities.scheme:
            yield (
                f"quantization.scheme={scheme}: saturates in OpenVINO on a CPU without VNNI, and then detects nothing:"
                f" leave it auto ({self.capabilities.scheme}), or take the backend it is for"
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
    def bounds(self) -> dict[str, float]:
        """Of the demo networks at 160 and 640 px, rounded behind every operator: in bfloat16 scores are off by 0.035 at
        most and 4e-4 on average, boxes by 0.3 px on average; in float16 by a tenth of that."""
        if self.precision == "f16":
            return dict(error_bounds.FLOAT16)
        bfloat16 = {"max_score_error": 0.1, "mean_score_error": 2e-3, "mean_box_error": 1.0, "max_map_drop": 1.0}
        return {**bfloat16, "max_score_shift": 0.02} if self.precision == "bf16" else {}

    @property
    def engine(self) -> "OpenVinoEngine":
        """What it is proved and measured in."""
        from exporter.runtime.openvino import OpenVinoEngine

        return OpenVinoEngine(self.precision)

    @property
    def writes_files(self) -> bool:
        """Whether OpenVINO IR is wanted."""
        return self.ir

    def files(self, artifact: bytes, feeds: "Mapping[str, np.ndarray]") -> dict[str, bytes]:
        """model.xml and model.bin. Raises BuildError where OpenVINO cannot write them, or where they do not give what
        the artifact gives for `feeds`, bit for bit."""
        import tempfile
        from pathlib import Path

        import numpy as np

        from exporter.common.errors import BuildError
        from exporter.runtime.openvino import converted

        with tempfile.TemporaryDirectory() as folder:
            converted(artifact, Path(folder))
            wanted = self.engine.session(artifact).run(None, dict(feeds))
            found = self.engine.session(Path(folder) / IR[0]).run(None, dict(feeds))
            if not all(np.array_equal(a, b, equal_nan=True) for a, b in zip(found, wanted, strict=True)):
                raise BuildError("backend.ir: OpenVINO IR of the artifact gives something else; nothing was published")
            return {name: (Path(folder) / name).read_bytes() for name in IR}

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
            minimum_version="2025.4",  # older ones were not tried: tests/deploy/test_shipped_engines.py
            verified=f"run and proved in openvino {about()['version']} on CPU",
            settings=self.engine.settings,
        )
