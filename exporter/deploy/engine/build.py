"""Builds the engine of an artifact for its own library: parse, configure, compile."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from exporter.artifact.manifest import Manifest, Profile
from exporter.common.errors import BuildError, RequestError
from exporter.common.files import write_whole
from exporter.common.progress import Progress
from exporter.runtime.tensorrt.library import Library
from exporter.runtime.tensorrt.monitor import monitor
from exporter.runtime.tensorrt.network import Parsed, Shapes, configured, parsed, serialized

MEBIBYTE = 2**20


def build_engine(
    library: Library,
    file: Path,
    manifest: Manifest,
    targets: Sequence[str],
    workspace: int | None,
    timing_cache: Path | None,
    progress: Progress,
) -> bytes:
    """The serialized engine of the ONNX file, for the compute capabilities `targets` (none: this machine's GPU).
    `workspace` in MiB, None for the library's own limit; `timing_cache` is a file that measurements are read from,
    where it exists, and written to.

    Raises BuildError where the library finds no GPU and needs one, cannot parse the file or cannot build it."""
    try:
        network = parsed(library, file.read_bytes())
        config = configured(network, targets, shapes_of(manifest.input.name, manifest.backend.profile))
        if workspace is not None:
            config.set_memory_pool_limit(library.module.MemoryPoolType.WORKSPACE, workspace * MEBIBYTE)
        cache = _timing_cache(config, timing_cache) if timing_cache else None
        config.progress_monitor = monitor(library.module, progress)
        plan = serialized(network, config)
    except BuildError as error:
        raise BuildError(f"{file}: {error}: exporter lint {file} says more") from error
    for warning in _few(network):
        progress.warn(f"{library.label}: {warning}")
    if cache is not None and timing_cache is not None:
        try:
            write_whole(timing_cache, bytes(cache.serialize()))
        except OSError as error:  # the engine has been built, which may have taken an hour
            progress.warn(f"--timing-cache {timing_cache}: {error.strerror}: the measurements are not kept")
    return plan


def shapes_of(name: str, profile: Profile | None) -> Shapes | None:
    """A manifest's profile for its input `name`; None where the input's shape is fixed."""
    if profile is None:
        return None
    return Shapes(name, tuple(profile.min), tuple(profile.opt), tuple(profile.max))


def _few(network: Parsed) -> list[str]:
    """The library's warnings, without what it says of every artifact with whole numbers among its outputs."""
    return [text for text in network.warnings if "Int64 binding" not in text][:5]


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
