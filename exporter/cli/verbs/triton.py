"""`exporter triton`: an artifact for Triton Inference Server."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from exporter.cli.arguments import positive

USAGE = "DIR --out REPOSITORY"
SUMMARY = "write a model repository for Triton Inference Server"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("dir", type=Path)
    parser.add_argument("--out", type=Path, required=True, metavar="REPOSITORY")
    backends = ["onnxruntime", "tensorrt", "python"]
    parser.add_argument("--backend", choices=backends, help="tensorrt where there is an engine; python: a program that"
                        " runs the artifact in the engine that it is for")  # fmt: skip
    parser.add_argument("--max-batch-size", type=positive, metavar="N", help="of a free batch (8, or its profile's)")


def run(given: Namespace) -> int:
    from exporter.deploy.triton import write_repository

    print(write_repository(given.dir, given.out, given.backend, given.max_batch_size))
    return 0
