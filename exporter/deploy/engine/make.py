"""From an artifact on the disk to the engine beside it: built, proved where it can be, and written; or how trtexec
builds it."""

import hashlib
import shlex
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

from exporter.artifact.manifest import FILE, Engine, Manifest, read_manifest
from exporter.artifact.signature.sign import remove_signature
from exporter.backend.engine import option_of
from exporter.backend.tensorrt import Version
from exporter.common.errors import BuildError, RequestError
from exporter.common.interrupts import has_published, held
from exporter.common.progress import Progress
from exporter.deploy.checked import checked_file, engine_name
from exporter.deploy.engine.build import build_engine
from exporter.deploy.engine.trtexec import trtexec_command
from exporter.runtime.tensorrt.library import Library


def read_for_engine(folder: Path) -> tuple[Manifest, str]:
    """The manifest of an artifact whose file is still what was built, and the library that compiles it, a key of
    `exporter.runtime.tensorrt.library.KINDS`. Raises RequestError for any other."""
    manifest = read_manifest(folder)
    compiler = option_of(manifest.backend).compiler
    if compiler is None:
        raise RequestError(
            f"{folder}: was built for backend={manifest.backend.name}: build it with backend=tensorrt or tensorrt_rtx"
        )
    checked_file(folder, manifest.artifact)
    return manifest, compiler


def make_engine(
    library: Library,
    folder: Path,
    manifest: Manifest,
    targets: Sequence[str],
    workspace: int | None,
    timing_cache: Path | None,
    progress: Progress,
    say: Callable[[str], None],
) -> Engine:
    """Builds the engine of the artifact in `folder`, proves it where there is a GPU for it, and writes it beside the
    artifact; returns the section that the manifest then has of it. targets: see `Library.chosen`. `say` takes a line
    where a signature had to be removed.

    Raises RequestError for an unknown target; BuildError where the library fails, and where the engine is not the
    artifact."""
    chosen = library.chosen(targets)
    plan = build_engine(library, folder / manifest.artifact.file, manifest, chosen, workspace, timing_cache, progress)
    gpu, capability, cuda = _gpu()
    if gpu is None:
        proof: dict[str, Any] = {"why": "torch sees no GPU here, so it was not run"}
    elif chosen and capability not in chosen:
        proof = {"why": f"the GPU here is {capability}, which it is not for, so it was not run"}
    else:
        from exporter.deploy.engine.proof import prove_engine

        with progress.stage("prove"):
            proof = prove_engine(library.module, plan, folder, manifest, device="cuda")
    facts = {"library": library.kind.title, "tensorrt": library.version, "targets": list(chosen)}
    if library.kind.needs_gpu or "why" not in proof:  # else it is for no GPU in particular
        facts |= {"gpu": gpu and f"{gpu}, {capability}", "cuda": cuda}
    return write_engine(folder, manifest, plan, say, **{"gpu": None, "cuda": None} | facts, proof=proof)


def trtexec_lines(folder: Path, manifest: Manifest) -> Iterator[str]:
    """What to type where TensorRT is: the command for each of its versions, or why there is none."""
    if not manifest.backend.build_flags:
        raise RequestError(f"--commands: there are none for backend={manifest.backend.name}: leave it out")
    yield shlex.join(["cd", str(folder)])
    for version in get_args(Version):
        yield f"# TensorRT {version}"
        try:
            yield trtexec_command(manifest, version)
        except RequestError as error:
            yield f"# not possible: {error}"


def _gpu() -> tuple[str | None, str | None, str | None]:
    """Name and compute capability ("sm86") of the GPU, and the version of CUDA, as torch sees them."""
    import torch

    if not torch.cuda.is_available():
        return None, None, None
    capability = "sm" + "".join(map(str, torch.cuda.get_device_capability()))
    return torch.cuda.get_device_name(), capability, torch.version.cuda


def write_engine(folder: Path, manifest: Manifest, plan: bytes, say: Callable[[str], None], **facts: Any) -> Engine:
    """Writes the engine, then the manifest that describes it; each appears whole or not at all. A signature, which
    would be of another manifest, is removed."""
    name = engine_name(manifest)
    section = Engine(
        file=name, sha256=hashlib.sha256(plan).hexdigest(), bytes=len(plan), profile=manifest.backend.profile, **facts
    )
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
