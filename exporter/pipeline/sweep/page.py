"""`summary.html`: one page that needs nothing but itself; it sorts by a click, and can be read without scripts."""

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from exporter.config.sweep_figures import NAMES
from exporter.pipeline.sweep.chart import Point, scatter
from exporter.pipeline.sweep.rows import Row
from exporter.pipeline.sweep.summary import Summary
from exporter.report.page import page as report_page
from exporter.report.page.markup import number, paragraph, section, text

HEADS = {
    "map": "mAP",
    "drop": "drop",
    "latency": "ms",
    "ratio": "of FP32's time",
    "size": "MB",
    "seconds": "built in s",
}
COSTS = {"latency": "latency end to end in ms, the median", "size": "size of the file in MB"}


def page(summary: Summary) -> str:
    """The page as HTML, nothing from outside. The only script that a browser runs is sort.js."""
    here = Path(__file__).parent
    style = (Path(report_page.__file__).parent / "style.css").read_text(encoding="utf-8")
    style += (here / "style.css").read_text(encoding="utf-8")
    script = (here / "sort.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    body = "\n".join(part for part in _sections(summary) if part)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>A sweep of {len(summary.rows)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n{body}\n"
        f"</main>\n<script>{script}</script>\n</body>\n</html>\n"
    )


def _sections(summary: Summary) -> Iterator[str]:
    done = sum(row.state == "done" for row in summary.rows)
    yield f"<h1>A sweep of {len(summary.rows)} runs</h1>"
    yield paragraph(
        f"{done} done, {len(summary.rows) - done} failed. They differ in {', '.join(summary.varied) or '–'}."
    )
    if not summary.complete:
        yield paragraph("The sweep was interrupted: runs that had not ended are not here.", "loud")
    yield from _recommendation(summary)
    yield section("Accuracy against " + ("latency" if summary.cost == "latency" else "size"), *_picture(summary))
    yield section("Runs", _table(summary), *_notes(summary))


def _recommendation(summary: Summary) -> Iterator[str]:
    constraints = list(dict.fromkeys(row.constraint for row in summary.rows if row.constraint))
    if not constraints:
        return
    asked = " or ".join(constraints)
    for row in summary.rows:
        if row.num == summary.recommended:
            words = f"<b>Recommended under {text(asked)}:</b> {_link(row)} {text(_own(row))}"
            yield f'<p class="recommended">{words}</p>'
    if summary.recommended is None:
        yield paragraph(f"No run holds {asked}.", "loud")


def _picture(summary: Summary) -> Iterator[str]:
    known = [row for row in summary.rows if row.figures.map is not None]
    points = [
        Point(row.num, cost, row.figures.map, f"[{row.num}] {_own(row)}: mAP {row.figures.map:.2f}, {cost:.4g}")
        for row in known
        if row.figures.map is not None and (cost := getattr(row.figures, summary.cost)) is not None
    ]
    yield scatter(points, summary.pareto, summary.recommended, COSTS[summary.cost], "mAP")
    if not points:
        yield paragraph("No picture: no run has measured its accuracy (evaluation=… does).", "note")
        return
    without = "" if summary.cost == "latency" else " No run was timed (benchmark=cpu does it): size stands for cost."
    yield paragraph(f"The line joins the runs that no other one beats; a ring: the recommended one.{without}", "note")


def _table(summary: Summary) -> str:
    """A header for each column that a click sorts by; `data-value` is what it sorts by."""
    titles = ["run", *summary.varied, *HEADS.values(), "stages reused", "state"]
    head = "".join(f'<th scope="col">{text(title)}</th>' for title in titles)
    body = "".join(_row(row, summary) for row in summary.rows)
    return (
        f'<div class="wide"><table class="numbers sortable">\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}</tbody></table></div>"
    )


def _row(row: Row, summary: Summary) -> str:
    cells = [_cell(text(row.varied.get(key, "")), row.varied.get(key, "")) for key in summary.varied]
    for name in NAMES:
        value = getattr(row.figures, name)
        cells.append(_cell("–" if value is None else number(round(value, 3)), value))
    reused = row.stages and row.stages[0]
    cells.append(_cell(f"{reused} of {row.stages[1]}" if row.stages else "", reused))
    cells.append(_cell(text(row.reason or row.state), row.state))
    kind = "recommended" if row.num == summary.recommended else "front" if row.num in summary.pareto else row.state
    return f'<tr class="{kind}"><th scope="row" data-value="{row.num}">{_link(row)}</th>{"".join(cells)}</tr>\n'


def _cell(content: str, value: object) -> str:
    return f'<td data-value="{"" if value is None else text(value)}">{content}</td>'


def _link(row: Row) -> str:
    """To the artifact's report, from the sweep's folder; a failed run has none."""
    if row.state == "failed":
        return text(row.num)
    return f'<a href="{text(quote(row.folder, errors="surrogateescape"))}/report.html">{row.num}</a>'


def _own(row: Row) -> str:
    return " ".join(f"{key}={value}" for key, value in row.varied.items())


def _notes(summary: Summary) -> Iterator[str]:
    measured = list(dict.fromkeys(row.measured_on for row in summary.rows if row.measured_on))
    if measured:
        yield paragraph(
            f"mAP@[.5:.95] and what it lost against the FP32 artifact of the same recipe, in points of 100: on"
            f" {'; '.join(measured)}.{' Not the same for all runs.' if len(measured) > 1 else ''}",
            "note",
        )
    yield paragraph("A click on a column's title sorts by it. A run's number leads to its report.", "note")
