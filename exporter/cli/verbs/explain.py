"""`exporter explain`: what the build of an artifact did, stage by stage."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

USAGE = "DIR"
SUMMARY = "why each stage of an artifact's build ran, or did not"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("dir", type=Path)


def run(given: Namespace) -> int:
    from exporter.pipeline.plan import explain

    for line in explain(given.dir):
        print(line)
    return 0
