"""`summary.html`: one page that needs nothing but itself; it sorts by a click, and can be read without scripts."""

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from exporter.common.files import write_whole
from exporter.config.sweep_metrics import NAMES
from exporter.pipeline.sweep.chart import Point, scatter
from exporter.pipeline.sweep.rows import Row
from exporter.pipeline.sweep.summary import Summary, as_csv, as_json
from exporter.report.figure import svg_uri
from exporter.report.html import render

HEADS = {
    "map": "mAP",
    "drop": "drop",
    "latency": "ms",
    "ratio": "of FP32's time",
    "size": "MB",
    "seconds": "built in s",
}
COSTS = {"latency": "latency end to end in ms, the median", "size": "size of the file in MB"}


def write(summary: Summary, folder: Path) -> None:
    """summary.json, summary.csv and summary.html, each in one step."""
    text = {"summary.json": as_json(summary), "summary.csv": as_csv(summary), "summary.html": page(summary)}
    for name, content in text.items():
        # A name may hold half a surrogate: bytes of a command line that are no UTF-8.
        write_whole(folder / name, content.encode("utf-8", errors="xmlcharrefreplace"))


def page(summary: Summary) -> str:
    """The page as HTML, nothing from outside. The only script that a browser runs is sort.js."""
    script = (Path(__file__).parent / "sort.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    points, cost = list(_points(summary)), COSTS[summary.cost]
    return render(
        "pipeline/sweep/summary.html",
        policy=f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'",
        summary=summary,
        titles=["run", *summary.varied, *HEADS.values(), "stages reused", "state"],
        names=NAMES,
        points=points,
        cost=cost,
        chart=svg_uri(scatter(points, summary.pareto, summary.recommended, cost)) if points else None,
        in_words=_in_words,
        quote=quote,
        script=Markup(script),
    )


def _points(summary: Summary) -> Iterator[Point]:
    for row in summary.rows:
        score, cost = row.figures.map, getattr(row.figures, summary.cost)
        if score is not None and cost is not None:
            yield Point(row.num, cost, score, f"[{row.num}] {_in_words(row)}: mAP {score:.2f}, {cost:.4g}")


def _in_words(row: Row) -> str:
    return " ".join(f"{key}={value}" for key, value in row.varied.items())
