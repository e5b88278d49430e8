"""The differences as a table of plain text."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from exporter.report.diff.compare import ABSENT, Row
from exporter.report.diff.side import MEASURED

COLUMNS = (42, 28, 28)
"""Their widths, those of the values with the two blanks before each."""
SHOWN = 10
"""Of two lists of names that differ at most so many are written out."""


def table_lines(rows: Iterable[Row], cautions: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """A heading and a table for each section, in lines of at most 100 columns."""
    console = Console(width=sum(COLUMNS), color_system=None)
    for section, group in groupby(rows, key=lambda row: row.section):
        differing = cautions.get(section)
        yield f"{section}, not to be compared: different {', '.join(differing)}" if differing else section
        table = Table.grid(*("" for _ in COLUMNS), padding=(0, 0, 0, 2))
        for column, width in zip(table.columns, COLUMNS, strict=True):
            column.width, column.overflow = width, "fold"
        for row in group:
            table.add_row(*map(Text, (_printable(row.key), *_cells(row))))
        with console.capture() as printed:
            console.print(table)
        yield from (f"  {line}".rstrip() for line in printed.get().splitlines())


def _cells(row: Row) -> tuple[str, str]:
    """Both values as text."""
    if row.key == "class_names" and row.differs:
        return _names(row.a, row.b), _names(row.b, row.a)
    nothing = "not measured" if row.section in MEASURED else "(absent)"
    a, b = (nothing if value is ABSENT else _text(value, row.key) for value in (row.a, row.b))
    amounts = row.key.startswith("bytes") or row.key.endswith((" ms", ", bytes"))
    if row.differs and amounts and ABSENT not in (row.a, row.b) and row.a and row.b:
        b += f" ({row.b / row.a:.3g} of A)"
    return a, b


def _names(own: list[str], other: list[str]) -> str:
    """How many there are, and with their places those that the other side does not have there."""
    others = dict(enumerate(other))
    different = [f"{i} {_printable(name)}" for i, name in enumerate(own) if others.get(i) != name]
    more = f" … and {len(different) - SHOWN} more" if len(different) > SHOWN else ""
    return f"{len(own)}: {', '.join(different[:SHOWN])}{more}"


def _text(value: Any, key: str) -> str:
    if isinstance(value, str):
        return _printable(f"{value[:12]}…" if "sha256" in key or "digest" in key else value)
    if isinstance(value, float):
        return f"{value:.6g}"
    return f"{value:,}" if type(value) is int else _printable(json.dumps(value, ensure_ascii=False))


def _printable(text: str) -> str:
    """The text itself, or with escapes what could do something to a terminal."""
    return text if text.isprintable() else json.dumps(text)
