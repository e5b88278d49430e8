"""`exporter diff`: how two artifacts differ, for people or for programs."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exporter.report.diff.compare import Row
    from exporter.report.diff.side import Side

USAGE = "A B [--all] [--json]"
SUMMARY = "two artifacts side by side; exits 1 where their bytes differ"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("a", type=Path, metavar="A")
    parser.add_argument("b", type=Path, metavar="B")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--all", action="store_true", help="also what does not differ")


def run(given: Namespace) -> int:
    """0: the files of both have the same bytes; 1: they have not."""
    from exporter.report.diff.compare import cautions, rows
    from exporter.report.diff.side import read_side
    from exporter.report.diff.text import table_lines

    a, b = read_side(given.a), read_side(given.b)
    compared = list(rows(a, b))
    chosen = [row for row in compared if given.all or row.differs]
    careful = cautions(compared)
    if given.json:
        print(json.dumps(_for_programs(a, b, chosen, careful), indent=1))
    else:
        for line in (*_head(a, b), *table_lines(chosen, careful)):
            print(line)
    return 0 if a.sha256 == b.sha256 else 1


def _head(a: "Side", b: "Side") -> Iterator[str]:
    """Whether the bytes are the same, which is A and which is B, and whether each file is still what was built."""
    if a.sha256 == b.sha256:
        yield f"the same bytes, sha256 {a.sha256}"
    else:
        yield f"other bytes: sha256 {a.sha256[:12]}… and {b.sha256[:12]}…"
    for name, side in (("A", a), ("B", b)):
        yield f"{name}: {side.folder}"
        if side.sha256 != side.stated_sha256:
            yield (
                f"   its file has sha256 {side.sha256[:12]}…, its manifest says {side.stated_sha256[:12]}…:"
                " changed after the build"
            )


def _for_programs(
    a: "Side", b: "Side", chosen: "Sequence[Row]", careful: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """A row has no key "a" or "b" where that side has no value."""
    from exporter.report.diff.compare import ABSENT

    sides = {
        name: {"folder": str(side.folder), "sha256": side.sha256, "stated_sha256": side.stated_sha256}
        for name, side in (("a", a), ("b", b))
    }
    listed = [
        {"section": row.section, "key": row.key, "differs": row.differs}
        | {name: value for name, value in (("a", row.a), ("b", row.b)) if value is not ABSENT}
        for row in chosen
        if row.key
    ]
    return sides | {"same_bytes": a.sha256 == b.sha256, "not_to_be_compared": careful, "rows": listed}
