"""`exporter triton`: an artifact for Triton Inference Server."""

from argparse import ArgumentParser
from pathlib import Path

from exporter.cli.arguments import positive

USAGE = "DIR --out REPOSITORY"
SUMMARY = "write a model repository for Triton Inference Server"


def parser() -> ArgumentParser:
    about = "writes an artifact, or its engine, as a model repository of Triton Inference Server"
    parser = ArgumentParser(prog="exporter triton", description=about)
    parser.add_argument("dir", type=Path)
    parser.add_argument("--out", type=Path, required=True, metavar="REPOSITORY")
    backends = ["onnxruntime", "tensorrt", "python"]
    parser.add_argument("--backend", choices=backends, help="tensorrt where there is an engine; python: a program that"
                        " runs the artifact in the engine that it is for")  # fmt: skip
    parser.add_argument("--max-batch-size", type=positive, metavar="N", help="of a free batch (8, or its profile's)")
    return parser


def run(arguments: list[str]) -> int:
    given = parser().parse_args(arguments)
    from exporter.deploy.triton import write_repository

    print(write_repository(given.dir, given.out, given.backend, given.max_batch_size))
    return 0
