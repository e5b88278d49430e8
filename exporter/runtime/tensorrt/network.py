"""From ONNX to a serialized engine: parse, configure, compile. Source: the Python API documentation of TensorRT 10 and
11, which TensorRT for RTX shares."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from exporter.common.errors import BuildError, RequestError
from exporter.runtime.tensorrt.library import Library

SHOWN = 3
"""Messages that an error repeats."""


@dataclass(frozen=True)
class Shapes:
    """Of the one input: the least, the one that the engine is tuned for, the most."""

    name: str
    min: tuple[int, ...]
    opt: tuple[int, ...]
    max: tuple[int, ...]


@dataclass(frozen=True)
class Parsed:
    """A network as the parser understood it. said: the log since then, (severity, message)."""

    library: Library
    builder: Any
    network: Any
    said: list[tuple[str, str]]

    @property
    def num_layers(self) -> int:
        """Layers that the parser made of the graph's nodes."""
        return int(self.network.num_layers)

    @property
    def warnings(self) -> list[str]:
        """What the library warned of, each once."""
        return list(dict.fromkeys(message for severity, message in self.said if severity == "WARNING"))


def parsed(library: Library, content: bytes) -> Parsed:
    """The network of a serialized ONNX model. Raises BuildError, with what the parser says, where it does not take it,
    and where the library finds no GPU and needs one."""
    trt, said = library.module, []
    logger = log_into(trt, said)
    library.start(logger)
    try:
        builder = trt.Builder(logger)
    except TypeError as error:  # what the bindings make of a builder that could not be created
        raise BuildError(
            f"{library.kind.title} cannot start: no NVIDIA GPU, or a driver that is too old for it"
        ) from error
    network = builder.create_network(library.network_flags)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(content):
        errors = [_plain(parser.get_error(i)) for i in range(parser.num_errors)] or ["it does not say why"]
        raise BuildError(f"{library.label} cannot parse it: {'; '.join(dict.fromkeys(errors[:SHOWN]))}")
    return Parsed(library, builder, network, said)


def configured(given: Parsed, targets: Sequence[str], shapes: Shapes | None) -> Any:
    """A builder's configuration for these compute capabilities (none: this machine's) and, of an input with free sides,
    these shapes. Raises RequestError for shapes that are not in order, BuildError for those that the library does not
    take."""
    trt, config = given.library.module, given.builder.create_builder_config()
    if targets:
        config.num_compute_capabilities = len(targets)
        for i, target in enumerate(targets):
            config.set_compute_capability(trt.ComputeCapability.__members__[target.upper()], i)
    if shapes is not None:
        ends = f"min {list(shapes.min)}, opt {list(shapes.opt)}, max {list(shapes.max)}"
        if any(not low <= usual <= high for low, usual, high in zip(shapes.min, shapes.opt, shapes.max, strict=True)):
            raise RequestError(f"backend.profile: {ends}: min must not be above opt, nor opt above max")
        profile = given.builder.create_optimization_profile()
        profile.set_shape(shapes.name, shapes.min, shapes.opt, shapes.max)
        if config.add_optimization_profile(profile) < 0:
            raise BuildError(f"{given.library.label} does not take the profile {ends}")
    return config


def serialized(given: Parsed, config: Any) -> bytes:
    """The engine. Raises BuildError, with what the library says, where it cannot build one."""
    plan = given.builder.build_serialized_network(given.network, config)
    if plan is None:
        errors = [" ".join(message.split()) for severity, message in given.said if severity.endswith("ERROR")]
        why = "; ".join(dict.fromkeys(error[-400:] for error in errors[:SHOWN])) or "it does not say why"
        raise BuildError(f"{given.library.label} cannot compile it: {why}")
    return bytes(plan)


def _plain(error: Any) -> str:
    """A parser's error in one line."""
    node = f"{error.node_name()}: " if error.node_name() else ""
    return node + " ".join(error.desc().split())


def log_into(trt: Any, said: list[tuple[str, str]]) -> Any:
    """A logger that writes into `said` what is a warning or worse, (severity, message)."""

    class Log(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)  # the bindings demand it by name

        def log(self, severity: Any, msg: str) -> None:
            level = str(severity).rpartition(".")[2]
            if level not in ("INFO", "VERBOSE"):
                said.append((level, msg))

    return Log()
