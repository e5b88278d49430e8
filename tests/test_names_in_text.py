"""Docstrings and comments that name a module, function or file of ours: it is there."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.readme import checkout

ROOT = Path(__file__).parent.parent
FILES = sorted([*ROOT.glob("exporter/**/*.py"), *ROOT.glob("tests/**/*.py")])
DOTTED = re.compile(r"\b(?:exporter|tests)(?:\.[A-Za-z_]\w*)+")
FILE = re.compile(r"\b(?:exporter|tests|conf|recipes)/[\w/.-]+\.(?:py|yaml|json|md|css)\b")
EXAMPLES = {"exporter.cli.run.os.system"}
"""Names of what must not be found, or is made up."""


@cache
def names_of(file: Path) -> set[str]:
    """Everything that has a name in a module: functions, classes, fields, arguments, variables, imports."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        for field in ("name", "id", "attr", "arg", "asname"):
            if isinstance(name := getattr(node, field, None), str):
                found.add(name.rpartition(".")[2])
    return found


def there(dotted: str) -> bool:
    """Whether it is a module or folder of ours, or a name in one."""
    parts = dotted.split(".")
    for count in range(len(parts), 0, -1):
        place = ROOT.joinpath(*parts[:count])
        file = next((each for each in (place.with_suffix(".py"), place / "__init__.py") if each.is_file()), None)
        if file is not None:
            return set(parts[count:]) <= names_of(file) or (place.is_dir() and is_option(place, parts[count:]))
        if place.is_dir():
            return count == len(parts)
    return False


def is_option(package: Path, names: list[str]) -> bool:
    """Whether it is the public name of a class in one of the package's modules."""
    return len(names) == 1 and any(names[0] in names_of(file) for file in package.glob("*.py"))


def texts(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of each docstring and comment."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def stale(source: str) -> list[str]:
    lines = []
    for line, text in texts(source):
        lines += [f"line {line}: {name}" for name in DOTTED.findall(text) if name not in EXAMPLES and not there(name)]
        lines += [f"line {line}: {name}" for name in FILE.findall(text) if not (ROOT / name).exists()]
    return lines


@checkout
def test_what_is_named_is_there():
    found = {str(file.relative_to(ROOT)): stale(file.read_text(encoding="utf-8")) for file in FILES}
    assert {file: lines for file, lines in found.items() if lines} == {}


@checkout
@pytest.mark.parametrize(
    ("source", "count"),
    [
        ('"""See `exporter.config.check.check` and conf/backend/openvino.yaml."""', 0),
        ('"""See `exporter.config.check.checked`."""', 1),
        ("x = 1  # as exporter.' + 'nowhere.else_ has it".replace("' + '", ""), 1),
        ('"""See conf/backend/onnx.yaml."""', 1),
    ],
)
def test_what_is_not_there_is_found(source, count):
    assert len(stale(source)) == count
