"""The summary of a sweep: one value, written as JSON, as CSV and as a page."""

import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from exporter.config.sweep_metrics import NAMES
from exporter.pipeline.sweep.choice import cost_of, pareto, recommended
from exporter.pipeline.sweep.outcome import Outcome
from exporter.pipeline.sweep.rows import Row, rows

SCHEMA_VERSION = 1
_NUMBER = re.compile(r"-?[\d.]+")
COLUMNS = ("num", "state", *NAMES, "stages_reused", "stages", "folder", "reason")


@dataclass(frozen=True)
class Summary:
    """`varied`: the keys in which the runs differ; `complete`: whether all runs were begun; `pareto` and `recommended`
    are numbers of runs, and `cost` is what accuracy is held against: see choice.py."""

    rows: Sequence[Row]
    varied: Sequence[str]
    complete: bool
    cost: str
    pareto: Sequence[int]
    recommended: int | None


def summarize(folder: Path, found: Sequence[Outcome], *, complete: bool) -> Summary:
    """Of the runs that have left an outcome in the sweep's folder."""
    ended = rows(folder, found)
    return Summary(
        rows=ended,
        varied=list(dict.fromkeys(key for row in ended for key in row.varied)),
        complete=complete,
        cost=cost_of(ended),
        pareto=pareto(ended),
        recommended=recommended(ended),
    )


def as_json(summary: Summary) -> str:
    """Everything, metrics in full."""

    def run(row: Row) -> dict[str, Any]:
        reused, stages = row.stages or (None, None)
        return asdict(row) | {"stages": stages, "stages_reused": reused}

    values = {
        "schema_version": SCHEMA_VERSION,
        "complete": summary.complete,
        "varied": list(summary.varied),
        "runs": [run(row) for row in summary.rows],
        "pareto": {"cost": summary.cost, "runs": list(summary.pareto)},
        "recommended": summary.recommended,
    }
    return json.dumps(values, indent=2) + "\n"


def as_csv(summary: Summary) -> str:
    """A line for each run, a column for each key that varied; numbers in full, nothing where there is none."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow([*map(_plain, summary.varied), *COLUMNS])
    for row in summary.rows:
        reused, stages = row.stages or (None, None)
        numbers = [getattr(row.figures, name) for name in NAMES]
        varied = [_plain(row.varied.get(key)) for key in summary.varied]
        writer.writerow([*varied, row.num, row.state, *numbers, reused, stages, _plain(row.folder), _plain(row.reason)])
    return lines.getvalue()


def _plain(text: str | None) -> str | None:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text and text[0] in "=+-@\t\r" and not _NUMBER.fullmatch(text) else text
