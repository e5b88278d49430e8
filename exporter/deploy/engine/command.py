"""`exporter engine`: builds, proves and writes model.engine, or says how trtexec builds it."""

import hashlib
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

from exporter.artifact.manifest import FILE, Engine, Manifest, read_manifest
from exporter.artifact.signature.sign import remove_signature
from exporter.backend.tensorrt import Version
from exporter.common.errors import BuildError, RequestError
from exporter.common.files import file_digest, is_file
from exporter.common.interrupts import has_published, held
from exporter.common.progress import progress_in
from exporter.deploy.engine.build import build_engine
from exporter.deploy.engine.trtexec import trtexec_command
from exporter.deploy.engine.version import installed, major


def engine(folder: Path, workspace: int | None, timing_cache: Path | None, commands: bool) -> int:
    """Builds the engine of an artifact's folder, proves it and writes it beside the artifact, with a section `engine`
    in the manifest. `commands`: only prints the command of trtexec for each version.

    Raises RequestError for what is no TensorRT artifact and for an unknown TensorRT; BuildError where the package is
    missing (the commands are printed then), where TensorRT fails, and where the engine is not the artifact."""
    manifest = read_manifest(folder)
    if not manifest.backend.build_flags:
        raise RequestError(f"{folder}: was built for backend={manifest.backend.name}: build it with backend=tensorrt")
    file = folder / Path(manifest.artifact.file).name
    if not is_file(file) or file_digest(file) != manifest.artifact.sha256:
        raise RequestError(f"{file}: is missing or not what its manifest says: exporter verify {folder} says more")
    trt = None if commands else installed()
    if trt is None:
        for line in _commands(folder, manifest):
            print(line)
        if commands:
            return 0
        raise BuildError(
            "the package tensorrt is not installed, so no engine was built: run one of these commands on the machine"
            " with the GPU, or pip install exporter[tensorrt] there"
        )
    major(trt)
    progress = progress_in("text")
    plan = build_engine(trt, file, manifest, workspace, timing_cache, progress)
    gpu, cuda = _gpu()
    with progress.stage("prove"):
        proof = _proof(trt, plan, folder, manifest) if gpu else {"why": "torch sees no GPU here, so it was not run"}
    _write(folder, manifest, plan, tensorrt=trt.__version__, gpu=gpu, cuda=cuda, proof=proof)
    print(f"{folder / engine_file(manifest)}: {len(plan)} bytes, TensorRT {trt.__version__}, {gpu or 'GPU unknown'}")
    print(f"  proof {proof}")
    return 0


def engine_file(manifest: Manifest) -> str:
    """The engine's name beside the artifact, the one that the commands of trtexec write."""
    return Path(manifest.artifact.file).with_suffix(".engine").name


def _commands(folder: Path, manifest: Manifest) -> Iterator[str]:
    yield shlex.join(["cd", str(folder)])
    for version in get_args(Version):
        yield f"# TensorRT {version}"
        try:
            yield trtexec_command(manifest, version)
        except RequestError as error:
            yield f"# not possible: {error}"


def _gpu() -> tuple[str | None, str | None]:
    """Name and compute capability of the GPU, and the version of CUDA, as torch sees them."""
    import torch

    if not torch.cuda.is_available():
        return None, None
    capability = ".".join(map(str, torch.cuda.get_device_capability()))
    return f"{torch.cuda.get_device_name()}, compute capability {capability}", torch.version.cuda


def _proof(trt: ModuleType, plan: bytes, folder: Path, manifest: Manifest) -> dict[str, Any]:
    from exporter.deploy.engine.proof import prove_engine

    return prove_engine(trt, plan, folder, manifest, device="cuda")


def _write(folder: Path, manifest: Manifest, plan: bytes, **facts: Any) -> None:
    """The engine, then the manifest that describes it; each appears whole or not at all."""
    name = engine_file(manifest)
    section = Engine(file=name, sha256=hashlib.sha256(plan).hexdigest(), bytes=len(plan), **facts)
    place = folder.resolve()
    try:
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=f".{place.name}.engine-") as scratch:
            new, bare = Path(scratch), Path(scratch) / "bare"
            (new / name).write_bytes(plan)
            manifest.model_copy(update={"engine": section}).write(new)
            bare.mkdir()
            manifest.model_copy(update={"engine": None}).write(bare)
            with held():
                if remove_signature(place):
                    gone = "its signature was of the artifact without this engine and was removed"
                    print(f"{folder}: {gone}: sign it again")
                if manifest.engine is not None:  # at no moment a manifest describes an engine that is not there
                    (bare / FILE).replace(place / FILE)
                (new / name).replace(place / name)
                try:
                    (new / FILE).replace(place / FILE)
                except OSError:
                    (place / name).unlink()
                    raise
                has_published(place / name)
    except OSError as error:
        raise BuildError(f"{folder}: {error.strerror}: the engine could not be written") from error
