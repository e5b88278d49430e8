"""`exporter inspect`: what a file of weights is, said before anything is built from it."""

from argparse import ArgumentParser
from pathlib import Path

USAGE = "FILE"
SUMMARY = "what a checkpoint holds: network, classes, pre-processing; and how to build it"


def parser() -> ArgumentParser:
    about = "what is in a checkpoint: its network, classes, pre-processing, and how to build it"
    parser = ArgumentParser(prog="exporter inspect", description=about)
    parser.add_argument("file", type=Path, metavar="FILE", help=".pth, .pt or .safetensors; nothing in it is executed")
    return parser


def run(arguments: list[str]) -> int:
    file = parser().parse_args(arguments).file
    from exporter.cli.verbs.inspect.describe import describe

    for line in describe(file):
        print(line)
    return 0
