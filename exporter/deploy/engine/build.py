"""Builds the engine: parse, configure, optimise. Source: TensorRT's Python API documentation of 10 and 11."""

from pathlib import Path
from types import ModuleType
from typing import Any

from exporter.artifact.manifest import Manifest, Profile
from exporter.common.errors import BuildError, RequestError
from exporter.common.files import write_whole
from exporter.common.progress import Progress
from exporter.deploy.engine.monitor import monitor
from exporter.deploy.engine.version import major

MEBIBYTE = 2**20


def build_engine(
    trt: ModuleType,
    file: Path,
    manifest: Manifest,
    workspace: int | None,
    timing_cache: Path | None,
    progress: Progress,
) -> bytes:
    """The serialized engine of the ONNX file. `workspace` in MiB, None for TensorRT's own limit; `timing_cache` is a
    file that measurements are read from, where it exists, and written to.

    Raises BuildError where TensorRT finds no GPU, cannot parse the file or cannot build it."""
    logger = trt.Logger(trt.Logger.WARNING)
    trt.init_libnvinfer_plugins(logger, "")
    try:
        builder = trt.Builder(logger)
    except TypeError as error:  # what the bindings make of a builder that could not be created
        raise BuildError("TensorRT cannot start: no NVIDIA GPU, or a driver that is too old for it") from error
    network = _parsed(trt, builder, logger, file)
    config = builder.create_builder_config()
    if workspace is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace * MEBIBYTE)
    cache = _timing_cache(config, timing_cache) if timing_cache else None
    if manifest.backend.profile is not None:
        _add_profile(builder, config, manifest.input.name, manifest.backend.profile)
    config.progress_monitor = monitor(trt, progress)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise BuildError(f"{file}: TensorRT {trt.__version__} could not build an engine; its messages are above")
    if cache is not None and timing_cache is not None:
        try:
            write_whole(timing_cache, bytes(cache.serialize()))
        except OSError as error:  # the engine has been built, which may have taken an hour
            progress.warn(f"--timing-cache {timing_cache}: {error.strerror}: the measurements are not kept")
    return bytes(plan)


def _parsed(trt: ModuleType, builder: Any, logger: Any, file: Path) -> Any:
    """The network that the ONNX file describes; strongly typed, which 11 always is and 10 has to be told."""
    typed = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED) if major(trt) == "10" else 0
    network = builder.create_network(typed)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(file.read_bytes()):
        errors = [parser.get_error(i).desc() for i in range(parser.num_errors)]
        said = "; ".join(" ".join(error.split()) for error in errors[:3])
        raise BuildError(f"{file}: TensorRT {trt.__version__} cannot parse it: {said}: exporter lint says more")
    return network


def _timing_cache(config: Any, file: Path) -> Any:
    """Measurements of earlier builds, attached to `config`; an empty one where there is no such file."""
    try:
        content = file.read_bytes() if file.exists() else b""
    except OSError as error:
        raise RequestError(f"--timing-cache {file}: {error.strerror}: give a file that can be read") from error
    cache = config.create_timing_cache(content)
    if cache is None or not config.set_timing_cache(cache, False):
        raise RequestError(f"--timing-cache {file}: is of another GPU or TensorRT: remove it, or give another file")
    return cache


def _add_profile(builder: Any, config: Any, name: str, shapes: Profile) -> None:
    """The range of shapes that the engine is for."""
    profile = builder.create_optimization_profile()
    try:
        profile.set_shape(name, tuple(shapes.min), tuple(shapes.opt), tuple(shapes.max))
    except ValueError as error:
        raise RequestError(f"backend.profile: min {shapes.min}, opt {shapes.opt}, max {shapes.max}: {error}") from error
    if config.add_optimization_profile(profile) < 0:
        raise BuildError(f"TensorRT does not take the profile min {shapes.min}, opt {shapes.opt}, max {shapes.max}")
