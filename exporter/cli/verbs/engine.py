"""`exporter engine`: builds, proves and writes model.engine, or says how trtexec builds it."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from exporter.cli.arguments import positive

USAGE = "DIR [--target GPUS]"
SUMMARY = "compile an artifact's TensorRT engine here, or say how trtexec does"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("dir", type=Path)
    parser.add_argument("--target", default="", metavar="sm86,sm89", help="compute capabilities (all that it knows)")
    parser.add_argument("--workspace", type=positive, metavar="MIB", help="memory for building (all there is)")
    parser.add_argument("--timing-cache", type=Path, metavar="FILE", help="measurements to reuse, and to add to")
    parser.add_argument("--commands", action="store_true", help="only print how trtexec builds it, for each TensorRT")


def run(given: Namespace) -> int:
    from exporter.common.errors import BuildError
    from exporter.common.progress_form import progress_in
    from exporter.deploy.engine.make import make_engine, read_for_engine, trtexec_lines
    from exporter.runtime.tensorrt.library import KINDS, installed

    folder = given.dir
    manifest, compiler = read_for_engine(folder)
    library = None if given.commands else installed(compiler)
    if library is None:
        if given.commands or KINDS[compiler].plugins:
            for line in trtexec_lines(folder, manifest):
                print(line)
        if given.commands:
            return 0
        kind, place = KINDS[compiler], " on the machine with the GPU" if KINDS[compiler].needs_gpu else ""
        raise BuildError(
            f"{kind.title} is not installed, so no engine was built: pip install exporter[{kind.extra}]{place}"
            + (", or run one of these commands there" if kind.plugins else "")
        )
    targets = [each.strip().lower() for each in given.target.split(",") if each.strip()]
    made = make_engine(
        library, folder, manifest, targets, given.workspace, given.timing_cache, progress_in("text"), print
    )
    where = made.gpus or "GPU unknown"
    print(f"{folder / made.file}: {made.bytes} bytes, {made.library} {made.tensorrt}, {where}")
    print(f"  proof: {', '.join(f'{key} {value}' for key, value in made.proof.items())}")
    return 0
