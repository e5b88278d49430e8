"""The engines that an artifact is for: what they can take, and the last step before it is published.

Not here: running them (`runtime`), and files for those who serve an artifact (`deploy`).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from exporter.common.capabilities import Capabilities
from exporter.common.node import Node
from exporter.common.options import lazily

if TYPE_CHECKING:
    import numpy as np
    import onnx

    from exporter.backend.request import Request
    from exporter.backend.section import Backend
    from exporter.preprocessing.section import Input
    from exporter.runtime.engine import Engine
else:
    __getattr__ = lazily(__name__)


class BackendNode(Node, ABC):
    """Base of the backends. package: on the index, for `versions` in the manifest. compiler: the library that makes an
    engine file of the artifact, a key of `exporter.runtime.tensorrt.library.KINDS`; None: there is no such file."""

    place: ClassVar[str] = "backend"
    capabilities: ClassVar[Capabilities] = Capabilities()
    package: ClassVar[str | None] = None
    compiler: ClassVar[str | None] = None

    def problems(self, request: "Request", scheme: str) -> Iterator[str]:
        """Clauses for what the engine cannot take or run well, from the recipe and this machine alone; scheme: that of
        the quantization."""
        yield from ()

    @property
    @abstractmethod
    def engine(self) -> "Engine":
        """What the artifact is proved and measured in, here."""

    @property
    def slow_int8(self) -> str | None:
        """Why INT8 is no gain in it, or not for it, and what to do; None where it is one, or was asked for all the
        same."""
        return None

    def slow_opset(self, opset: int) -> str | None:
        """Why a graph of this opset is slow in it, and what to do; None where it is not, or was asked for all the
        same."""
        return None

    @property
    def bounds(self) -> dict[str, float]:
        """Where it computes less exactly than float32: the proof's bounds of a float32 network, and the least that
        those of a quantized one have to be."""
        return {}

    def check_core(self, core: "onnx.ModelProto") -> None:
        """Before the long work: raises RequestError where the engine lacks an operator of the network."""

    @abstractmethod
    def finish(self, model: "onnx.ModelProto") -> "onnx.ModelProto":
        """The graph as it will be published. Raises BuildError where the engine would not take it."""

    @abstractmethod
    def section(self, model: "onnx.ModelProto", input: "Input") -> "Backend":
        """The manifest's section `backend` of the finished `model`."""

    @property
    def writes_files(self) -> bool:
        """Whether `files` are wanted beside the artifact."""
        return False

    def files(self, artifact: bytes, feeds: "Mapping[str, np.ndarray]") -> dict[str, bytes]:
        """The engine's own form of the artifact, by file name (model.ENDING), proved to give the same for `feeds`.
        Raises BuildError where it does not."""
        return {}
