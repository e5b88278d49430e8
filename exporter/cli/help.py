"""The help page and the list of recipes, made of the verbs' modules and the files themselves: nothing is composed."""

from collections.abc import Iterator
from pathlib import Path

from exporter.cli import verbs
from exporter.common.errors import RequestError
from exporter.common.files import TEXT_BYTES, check_file
from exporter.common.paths import CONF, recipe_files

ABOUT = """\
Turns a detector into an ONNX artifact with pre-processing, NMS and precision inside, and proves it is the same model.
"""
BUILDS = (
    ("+recipe=NAME [key=value …]", "build; writes outputs/NAME/"),
    ("model=NAME [key=value …]", "build without a recipe"),
    ("-m key=a,b …", "build every combination"),
    ("+recipe=NAME --cfg job", "show the composed configuration and build nothing"),
)
"""What is typed where no verb is, and what that does."""


def summary(path: Path) -> str:
    """A recipe's first line of comment that is not for Hydra or an editor."""
    for line in _lines(path):
        text = line.lstrip("#").strip()
        if line.startswith("#") and text and not text.startswith(("@package", "yaml-language-server:")):
            return text
        if line and not line.startswith("#"):
            break
    return "(no description: its first comment line would stand here)"


def _lines(path: Path) -> list[str]:
    """Of a file that may be anybody's: a terminal is going to read them."""
    try:
        check_file(path, "", TEXT_BYTES)
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError, RequestError) as error:
        lines = [f"# unreadable: {error}"]
    return ["".join(filter(str.isprintable, line)) for line in lines]


def _verbs() -> Iterator[tuple[str, str]]:
    for name in verbs.names():
        verb = verbs.load(name)
        yield f"{name} {verb.USAGE}", verb.SUMMARY


def print_recipes() -> None:
    """Each recipe with a line of what it is; a name that exists twice is shown with its files."""
    files = recipe_files()
    width = max((len(name) for name in files), default=0) + 2
    for name, paths in sorted(files.items()):
        twice = f"  (also in {paths[1]}: rename one)" if len(paths) > 1 else ""
        print(f"  {name:<{width}}{summary(paths[0])}{twice}")


def print_help() -> None:
    """Usage, groups with their options, recipes."""
    print(ABOUT)
    for usage, does in (lines := [*BUILDS, *_verbs()]):
        print(f"  exporter {usage:<{max(len(usage) for usage, _ in lines)}}  {does}")
    print()
    print("Groups, chosen with group=option; `--cfg job` shows their keys:")
    groups = sorted({path.parent for path in CONF.rglob("*.yaml")} - {CONF})
    for folder in groups:
        options = ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))
        print(f"  {folder.relative_to(CONF).as_posix():<24}{options}")
    print("\nRecipes:")
    print_recipes()
    print("\nPaths with spaces or , = ( ) { } work as they are in output_dir, *.path and model.weights.")
