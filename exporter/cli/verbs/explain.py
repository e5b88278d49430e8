"""`exporter explain`: what the build of an artifact did, stage by stage."""

from argparse import ArgumentParser
from pathlib import Path

USAGE = "DIR"
SUMMARY = "why each stage of an artifact's build ran, or did not"


def parser() -> ArgumentParser:
    about = "why each stage of the build that made an artifact ran, or did not"
    parser = ArgumentParser(prog="exporter explain", description=about)
    parser.add_argument("dir", type=Path)
    return parser


def run(arguments: list[str]) -> int:
    folder = parser().parse_args(arguments).dir
    from exporter.pipeline.plan import explain

    for line in explain(folder):
        print(line)
    return 0
