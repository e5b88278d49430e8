"""A table's rows: what each is, what was found, and the file that keeps it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exporter.benchmark.compare import processor
from exporter.common.errors import BuildError, RequestError
from exporter.common.progress import Progress

Figures = dict[str, Any]
"""What was measured by column; {"reason": one line} where it could not be."""


@dataclass(frozen=True)
class Row:
    """`name`: its first cells; `words`: the build, but for where it goes; `settings`: how it is measured."""

    name: tuple[str, ...]
    words: tuple[str, ...]
    settings: Mapping[str, int]

    @property
    def key(self) -> str:
        """What makes figures in the file this row's own; another processor would have given others."""
        return json.dumps([self.words, dict(self.settings), processor()])


def fill(rows: Sequence[Row], measure: Callable[[Row], Figures], file: Path, progress: Progress) -> list[Figures]:
    """Figures of every row, in order: from the file or else measured, and kept there as soon as they are known.

    Raises RequestError for a file that holds something else."""
    known, found = _known(file), []
    file.parent.mkdir(parents=True, exist_ok=True)
    for number, row in enumerate(rows, start=1):
        if row.key in known:
            found.append(known[row.key])
            continue
        title = f"{number}/{len(rows)} {' '.join(row.name)}"
        with progress.stage(title):
            try:
                figures = measure(row)
            except (BuildError, RequestError) as error:
                figures = {"reason": str(error)}
                progress.warn(f"{title}: {error}")
        with file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({"key": row.key, "name": row.name, "figures": figures}) + "\n")
        found.append(figures)
    return found


def _known(file: Path) -> dict[str, Figures]:
    """What the file holds, by the row's key. What failed is not among it: the reason may be gone."""
    if not file.exists():
        return {}
    try:
        entries = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        return {entry["key"]: entry["figures"] for entry in entries if "reason" not in entry["figures"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RequestError(f"--file {file}: holds no rows of a table ({error}): give another one") from error
