"""A table's rows: what each is, what was found, and the file that keeps it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exporter.artifact.benchmark.compare import processor
from exporter.common.errors import BuildError, RequestError
from exporter.common.progress import Progress

Metrics = dict[str, Any]
"""What was measured by column; {"reason": one line} where it could not be."""


@dataclass(frozen=True)
class Row:
    """`name`: its first cells; `overrides`: the build, but for where it goes; `settings`: how it is measured."""

    name: tuple[str, ...]
    overrides: tuple[str, ...]
    settings: Mapping[str, int]

    @property
    def key(self) -> str:
        """What makes metrics in the file this row's own; another processor would have given others."""
        return json.dumps([self.overrides, dict(self.settings), processor()])


def fill(rows: Sequence[Row], measure: Callable[[Row], Metrics], file: Path, progress: Progress) -> list[Metrics]:
    """Metrics of every row, in order: from the file or else measured, and kept there as soon as they are known.

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
                metrics = measure(row)
            except (BuildError, RequestError) as error:
                metrics = {"reason": str(error)}
                progress.warn(f"{title}: {error}")
        with file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({"key": row.key, "name": row.name, "figures": metrics}) + "\n")
        found.append(metrics)
    return found


def _known(file: Path) -> dict[str, Metrics]:
    """What the file holds, by the row's key. What failed is not among it: the reason may be gone."""
    if not file.exists():
        return {}
    try:
        entries = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        return {entry["key"]: entry["figures"] for entry in entries if "reason" not in entry["figures"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RequestError(f"--file {file}: holds no rows of a table ({error}): give another one") from error
