"""`exporter snippet`: a program that runs an artifact without the exporter."""

from argparse import ArgumentParser
from pathlib import Path

USAGE = "DIR [--language cpp|triton]"
SUMMARY = "a short program that runs an artifact, in Python or C++"


def parser() -> ArgumentParser:
    about = "prints a short program that runs this artifact and needs nothing of the exporter"
    parser = ArgumentParser(prog="exporter snippet", description=about)
    parser.add_argument("dir", type=Path)
    parser.add_argument(
        "--language", default="python", choices=["python", "cpp", "triton"], help="triton: a client in Python"
    )
    return parser


def run(arguments: list[str]) -> int:
    given = parser().parse_args(arguments)
    from exporter.deploy.snippet.write import snippet

    print(snippet(given.dir, given.language), end="")
    return 0
