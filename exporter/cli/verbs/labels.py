"""`exporter labels`: an artifact's class names, one a line."""

from argparse import ArgumentParser
from pathlib import Path

USAGE = "DIR"
SUMMARY = "print an artifact's class names, one a line"


def parser() -> ArgumentParser:
    about = "prints an artifact's class names, one a line in the order of the indices: exporter labels DIR > labels.txt"
    parser = ArgumentParser(prog="exporter labels", description=about)
    parser.add_argument("dir", type=Path)
    return parser


def run(arguments: list[str]) -> int:
    given = parser().parse_args(arguments)
    from exporter.artifact.manifest import read_manifest
    from exporter.deploy.labels import labels

    print(labels(read_manifest(given.dir)), end="")
    return 0
