"""`exporter recipes`: which there are, and a copy of one to start from."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

USAGE = "[--copy NAME]"
SUMMARY = "list the recipes; copy one into ./recipes to start from"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--copy", metavar="NAME", help="copy this recipe into ./recipes")


def run(given: Namespace) -> int:
    from exporter.cli.help import print_recipes

    if given.copy:
        print(_copy(given.copy))
    else:
        print_recipes()
    return 0


def _copy(name: str) -> Path:
    """Copies a recipe into ./recipes under the same name with `my_` before it. Raises RequestError where it cannot."""
    from exporter.cli.own_recipe import write_recipe
    from exporter.common.errors import RequestError
    from exporter.common.paths import recipe_files
    from exporter.config.no_such_recipe import no_such_recipe

    files = recipe_files()
    if name not in files:
        raise RequestError(f"recipes --copy {name}: {no_such_recipe(name, list(files))}")
    text = files[name][0].read_text(encoding="utf-8").replace(f"+recipe={name}", f"+recipe=my_{name}")
    return write_recipe(f"my_{name}", text, "recipes --copy")
