"""From a TensorRT artifact on the disk to the engine beside it: built, proved and written; or how trtexec builds it."""

import hashlib
import shlex
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

from exporter.artifact.manifest import FILE, Engine, Manifest, read_manifest
from exporter.artifact.signature.sign import remove_signature
from exporter.backend.tensorrt import Version
from exporter.common.errors import BuildError, RequestError
from exporter.common.files import file_digest, is_file
from exporter.common.interrupts import has_published, held
from exporter.common.progress import Progress
from exporter.deploy.engine.build import build_engine
from exporter.deploy.engine.trtexec import trtexec_command
from exporter.deploy.engine.version import major


def read_tensorrt(folder: Path) -> Manifest:
    """The manifest of a TensorRT artifact whose file is still what was built. Raises RequestError for any other."""
    manifest = read_manifest(folder)
    if not manifest.backend.build_flags:
        raise RequestError(f"{folder}: was built for backend={manifest.backend.name}: build it with backend=tensorrt")
    file = _onnx_file(folder, manifest)
    if not is_file(file) or file_digest(file) != manifest.artifact.sha256:
        raise RequestError(f"{file}: is missing or not what its manifest says: exporter verify {folder} says more")
    return manifest


def make_engine(
    trt: ModuleType,
    folder: Path,
    manifest: Manifest,
    workspace: int | None,
    timing_cache: Path | None,
    progress: Progress,
    say: Callable[[str], None],
) -> Engine:
    """Builds the engine of the artifact in `folder`, proves it where there is a GPU, and writes it beside the artifact;
    returns the section that the manifest then has of it. `say` takes a line where a signature had to be removed.

    Raises RequestError for an unknown TensorRT; BuildError where TensorRT fails, and where the engine is not the
    artifact."""
    major(trt)
    plan = build_engine(trt, _onnx_file(folder, manifest), manifest, workspace, timing_cache, progress)
    gpu, cuda = _gpu()
    with progress.stage("prove"):
        proof = _proof(trt, plan, folder, manifest) if gpu else {"why": "torch sees no GPU here, so it was not run"}
    return write_engine(folder, manifest, plan, say, tensorrt=trt.__version__, gpu=gpu, cuda=cuda, proof=proof)


def engine_file(manifest: Manifest) -> str:
    """The engine's name beside the artifact, the one that the commands of trtexec write."""
    return Path(manifest.artifact.file).with_suffix(".engine").name


def trtexec_lines(folder: Path, manifest: Manifest) -> Iterator[str]:
    """What to type where TensorRT is: the command for each of its versions, or why there is none."""
    yield shlex.join(["cd", str(folder)])
    for version in get_args(Version):
        yield f"# TensorRT {version}"
        try:
            yield trtexec_command(manifest, version)
        except RequestError as error:
            yield f"# not possible: {error}"


def _onnx_file(folder: Path, manifest: Manifest) -> Path:
    return folder / Path(manifest.artifact.file).name


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


def write_engine(folder: Path, manifest: Manifest, plan: bytes, say: Callable[[str], None], **facts: Any) -> Engine:
    """Writes the engine, then the manifest that describes it; each appears whole or not at all. A signature, which
    would be of another manifest, is removed."""
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
                    say(f"{folder}: {gone}: sign it again")
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
    return section
