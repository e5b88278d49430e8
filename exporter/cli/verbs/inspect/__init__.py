"""`exporter inspect`: what a file is, said before anything is built from it."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from pathlib import Path

USAGE = "FILE [--save NAME]"
SUMMARY = "what a checkpoint or an ONNX file holds, and how to build it"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help=".pth, .pt, .safetensors (nothing in it is executed) or .onnx (which is run)",
    )
    parser.add_argument("--save", metavar="NAME", help="of an ONNX file: write the recipe into ./recipes")


def run(given: Namespace) -> int:
    if given.file.suffix == ".onnx":
        return _graph(given.file, given.save)
    from exporter.cli.verbs.inspect.describe import describe
    from exporter.common.errors import RequestError

    if given.save:
        raise RequestError(f"--save {given.save}: is for ONNX files; {given.file} needs no recipe of its own")
    _print(describe(given.file))
    return 0


def _graph(file: Path, save: str | None) -> int:
    from exporter.cli.own_recipe import check_free, write_recipe
    from exporter.cli.verbs.inspect.graph import inspected
    from exporter.common.errors import RequestError

    if save:
        check_free(save, "--save")
    lines, taken = inspected(file)
    _print(lines)
    if save and taken is None:
        raise RequestError(f"--save {save}: {file} was not recognised: set the keys of model.head yourself")
    if save and taken is not None:
        print(write_recipe(save, taken.recipe(save), "--save"))
    return 0


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print("".join(filter(str.isprintable, line)))  # names are a stranger's, and a terminal may be reading
