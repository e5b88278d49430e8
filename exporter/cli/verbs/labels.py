"""`exporter labels`: an artifact's class names, one a line."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

USAGE = "DIR"
SUMMARY = "print an artifact's class names, one a line"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("dir", type=Path)


def run(given: Namespace) -> int:
    from exporter.artifact.manifest import read_manifest
    from exporter.cli.data import print_data
    from exporter.deploy.labels import labels

    print_data(labels(read_manifest(given.dir)))
    return 0
