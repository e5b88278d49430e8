"""`exporter snippet`: a program that runs an artifact without the exporter."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

USAGE = "DIR [--language cpp|triton]"
SUMMARY = "a short program that runs an artifact, in Python or C++"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("dir", type=Path)
    parser.add_argument(
        "--language", default="python", choices=["python", "cpp", "triton"], help="triton: a client in Python"
    )


def run(given: Namespace) -> int:
    from exporter.cli.data import print_data
    from exporter.deploy.snippet.write import snippet

    print_data(snippet(given.dir, given.language))
    return 0
