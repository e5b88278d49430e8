"""Row by row, what two artifacts have: equal, different, or only on one side."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from exporter.report.diff.side import Side

ABSENT = object()
"""In the place of a value: this side has none."""
CONDITIONS = {
    "accuracy": ("pictures", "digest of the images"),
    "latency": ("cpu", "engine", "threads", "batch"),
}
"""Metrics of these sections can be held against each other only where these keys are equal."""


@dataclass(frozen=True)
class Row:
    """One key of one section with its two values, each of which may be ABSENT."""

    section: str
    key: str
    a: Any
    b: Any

    @property
    def differs(self) -> bool:
        """Whether the sides do not have the same."""
        return self.a is not self.b and self.a != self.b


def rows(a: Side, b: Side) -> Iterator[Row]:
    """Every key that either side has. A section that both have nothing in gives one row with the key "" and no values.
    What a file holds none of is counted as 0: that is a fact, not a gap."""
    for section in a.sections:
        one, other = a.sections[section], b.sections[section]
        for key in _in_order([*one, *other]):
            counted = section == "operators" or key.startswith("bytes of initializers")
            nothing = 0 if counted else ABSENT
            yield Row(section, key, one.get(key, nothing), other.get(key, nothing))
        if not one and not other:
            yield Row(section, "", ABSENT, ABSENT)


def _in_order(keys: list[str]) -> list[str]:
    """Each key once, as they come, but those that begin with the same word beside each other."""
    words = list(dict.fromkeys(_first_word(key) for key in keys))
    return sorted(dict.fromkeys(keys), key=lambda key: words.index(_first_word(key)))


def _first_word(key: str) -> str:
    return re.split(r"[. ]", key, maxsplit=1)[0]


def cautions(compared: Iterable[Row]) -> dict[str, list[str]]:
    """By section of metrics that were measured on both sides, the conditions that were not the same."""
    found: dict[str, list[str]] = {}
    for row in compared:
        if row.differs and ABSENT not in (row.a, row.b) and row.key in CONDITIONS.get(row.section, ()):
            found.setdefault(row.section, []).append(row.key)
    return found
