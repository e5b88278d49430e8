"""`exporter diff`: the table, for people, or JSON for programs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from exporter.report.diff.compare import ABSENT, Row, cautions, rows
from exporter.report.diff.side import Side, read_side
from exporter.report.diff.text import table_lines


def run(one: Path, other: Path, as_json: bool, everything: bool) -> int:
    """Prints how two artifacts differ, with `everything` also where they do not. 0: their files have the same bytes;
    1: they have not. Raises RequestError for a folder that holds no artifact."""
    a, b = read_side(one), read_side(other)
    compared = list(rows(a, b))
    chosen = [row for row in compared if everything or row.differs]
    careful = cautions(compared)
    if as_json:
        print(json.dumps(_for_programs(a, b, chosen, careful), indent=1))
    else:
        for line in (*_head(a, b), *table_lines(chosen, careful)):
            print(line)
    return 0 if a.sha256 == b.sha256 else 1


def _head(a: Side, b: Side) -> Iterator[str]:
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


def _for_programs(a: Side, b: Side, chosen: list[Row], careful: dict[str, list[str]]) -> dict[str, Any]:
    """A row has no key "a" or "b" where that side has no value."""
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
