"""Which of NVIDIA's libraries are installed, what differs between them, and whether this code knows their version."""

import importlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from exporter.common.errors import RequestError
from exporter.common.messages import one_of


@dataclass(frozen=True)
class Kind:
    """title: what it is called; module: its Python module; extra: what installs it; versions: the major ones whose API
    this code knows; plugins: whether it has any; needs_gpu: whether it compiles only for the GPU of its machine."""

    title: str
    module: str
    extra: str
    versions: tuple[str, ...]
    plugins: bool
    needs_gpu: bool


KINDS = {
    "tensorrt": Kind("TensorRT", "tensorrt", "tensorrt", ("10", "11"), plugins=True, needs_gpu=True),
    "tensorrt_rtx": Kind(
        "TensorRT-RTX", "tensorrt_rtx_bindings", "tensorrt-rtx", ("1",), plugins=False, needs_gpu=False
    ),
}
"""By what a backend's `compiler` says."""


@dataclass(frozen=True)
class Library:
    """An installed one, of a version that is known."""

    kind: Kind
    module: ModuleType

    @property
    def version(self) -> str:
        """As the module says, "1.7.1.116"."""
        return str(self.module.__version__)

    @property
    def label(self) -> str:
        """Its name and version."""
        return f"{self.kind.title} {self.version}"

    @property
    def targets(self) -> tuple[str, ...]:
        """The compute capabilities that it can compile for without such a GPU, "sm86"; none where it needs the GPU."""
        if self.kind.needs_gpu:
            return ()
        return tuple(name.lower() for name in self.module.ComputeCapability.__members__ if name.startswith("SM"))

    def chosen(self, targets: Sequence[str]) -> tuple[str, ...]:
        """These targets, all of them if there are none. Raises RequestError for one that it does not know."""
        for target in targets:
            if not self.targets:
                raise RequestError(
                    f"--target {target}: {self.label} compiles only for the GPU of its own machine: leave it out"
                )
            if target not in self.targets:
                raise RequestError(f"--target {target}: {one_of(f'{self.label} has no such', target, self.targets)}")
        return tuple(dict.fromkeys(targets)) or self.targets

    @property
    def network_flags(self) -> int:
        """For `create_network`: strongly typed, as all networks are that are written here. 10 has to be told, and the
        flag is all that 11 and TensorRT-RTX know."""
        return 1 << int(self.module.NetworkDefinitionCreationFlag.STRONGLY_TYPED)

    def start(self, logger: Any) -> None:
        """Loads its plugins, where it has any."""
        if self.kind.plugins:
            self.module.init_libnvinfer_plugins(logger, "")


def installed(name: str) -> Library | None:
    """That of `KINDS`; None where it is not installed. Raises RequestError where it cannot be loaded, or has a version
    that this code does not know."""
    kind = KINDS[name]
    package = kind.module
    try:
        module = importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise RequestError(f"{package}: {error}: install the extra, pip install exporter[{kind.extra}]") from error
        return None
    except (ImportError, OSError) as error:  # its libraries are missing, or are not for this system
        raise RequestError(f"{package}: cannot be loaded: {error}: install it again") from error
    version = str(getattr(module, "__version__", "without a version"))
    major = re.match(r"\d+", version)
    if major is None or major[0] not in kind.versions:
        raise RequestError(
            f"{package} {version}: known are {' and '.join(kind.versions)}: install one of them"
            + (", or build the engine with trtexec (exporter engine DIR --commands prints how)" if kind.plugins else "")
        )
    return Library(kind, module)
