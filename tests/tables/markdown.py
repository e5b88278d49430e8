"""A table in Markdown whose empty cells say why."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Missing:
    """A cell without a metric."""

    reason: str


def table(head: Sequence[str], rows: Sequence[Sequence[str | Missing]]) -> str:
    """The table; each cell that is `Missing` refers to its reason below it, equal reasons stand there once."""
    notes: dict[str, int] = {}
    lines = [_line(head), _line(["---"] * len(head))]
    for row in rows:
        cells = []
        for cell in row:
            if isinstance(cell, Missing):
                number = notes.setdefault(cell.reason, len(notes) + 1)
                cells.append(f"– ({number})")
            else:
                cells.append(cell)
        lines.append(_line(cells))
    if notes:
        lines += ["", *(f"({number}) {reason}  " for reason, number in notes.items())]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
