"""`exporter engine`: builds, proves and writes model.engine, or says how trtexec builds it."""

from argparse import ArgumentParser
from pathlib import Path

from exporter.cli.arguments import positive

USAGE = "DIR [--commands]"
SUMMARY = "build and prove an artifact's TensorRT engine here, or say how trtexec does"


def parser() -> ArgumentParser:
    about = "builds and proves the TensorRT engine of an artifact, for this machine's GPU"
    parser = ArgumentParser(prog="exporter engine", description=about)
    parser.add_argument("dir", type=Path)
    parser.add_argument("--workspace", type=positive, metavar="MIB", help="memory for building (all there is)")
    parser.add_argument("--timing-cache", type=Path, metavar="FILE", help="measurements to reuse, and to add to")
    parser.add_argument("--commands", action="store_true", help="only print how trtexec builds it, for each TensorRT")
    return parser


def run(arguments: list[str]) -> int:
    given = parser().parse_args(arguments)
    from exporter.common.errors import BuildError
    from exporter.common.progress import progress_in
    from exporter.deploy.engine.make import make_engine, read_tensorrt, trtexec_lines
    from exporter.deploy.engine.version import installed

    folder = given.dir
    manifest = read_tensorrt(folder)
    trt = None if given.commands else installed()
    if trt is None:
        for line in trtexec_lines(folder, manifest):
            print(line)
        if given.commands:
            return 0
        raise BuildError(
            "the package tensorrt is not installed, so no engine was built: run one of these commands on the machine"
            " with the GPU, or pip install exporter[tensorrt] there"
        )
    made = make_engine(trt, folder, manifest, given.workspace, given.timing_cache, progress_in("text"), print)
    print(f"{folder / made.file}: {made.bytes} bytes, TensorRT {made.tensorrt}, {made.gpu or 'GPU unknown'}")
    print(f"  proof {made.proof}")
    return 0
