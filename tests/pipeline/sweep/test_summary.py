"""The three files of a summary: what is in them, and that a hostile name is text in all of them."""

import csv
import io
import json

import pytest

from exporter.common.files import file_digest
from exporter.pipeline.sweep.page import page, write
from exporter.pipeline.sweep.rows import varied_keys
from exporter.pipeline.sweep.summary import as_csv, as_json, summarize
from tests.pipeline.sweep.made import manifest, outcome
from tests.report.page.test_page import Strict

HOSTILE = "x=\"><script>alert(1)</script>'&\ud800"


@pytest.fixture
def sweep(tmp_path):
    """Four runs: FP32 (its own reference), INT8, INT8 that nobody measured, and one that failed."""
    made = {
        "quantization=none": manifest(map=90.5, drop=None, latency=20.0, ratio=None),
        "quantization=int8": manifest(stages=[{"name": "a", "state": "reused"}, {"name": "b", "state": "built"}]),
        "quantization=fp16": manifest(map=None, latency=None),
    }
    for name, each in made.items():
        (tmp_path / name).mkdir()
        each.write(tmp_path / name)
    found = [outcome(i, name, constraint="drop<=0.5, size<=20") for i, name in enumerate(made)]
    found.append(outcome(3, HOSTILE, reason=f"=1+1 {HOSTILE}"))
    return summarize(tmp_path, found, complete=True), tmp_path


def test_metrics_and_choices(sweep):
    summary, _ = sweep
    assert list(summary.varied) == ["quantization", "x"]
    metrics = [row.figures for row in summary.rows]
    assert (metrics[0].drop, metrics[0].ratio) == (0.0, 1.0)
    assert (metrics[1].map, metrics[1].drop, metrics[1].latency, metrics[1].ratio) == (90.0, 0.5, 10.0, 0.5)
    assert (metrics[2].map, metrics[2].latency, metrics[2].size) == (None, None, 10.0)
    assert [row.stages for row in summary.rows] == [None, (1, 2), None, None]
    assert (summary.cost, list(summary.pareto), summary.recommended) == ("latency", [1, 0], 1)


def test_json_and_csv_say_the_same(sweep):
    summary, _ = sweep
    values = json.loads(as_json(summary))
    lines = list(csv.DictReader(io.StringIO(as_csv(summary))))
    assert len(values["runs"]) == len(lines) == 4
    for run, line in zip(values["runs"], lines, strict=True):
        assert (line["state"], line["num"]) == (run["state"], str(run["num"]))
        for name, value in run["figures"].items():
            assert line[name] == ("" if value is None else str(value))
    assert values["runs"][1]["stages_reused"] == 1 and lines[1]["stages"] == "2"
    assert values["pareto"] == {"cost": "latency", "runs": [1, 0]}
    assert lines[3]["reason"].startswith("'=1+1")  # no spreadsheet reckons this


def test_the_page_shows_hostile_names_as_text(sweep):
    summary, folder = sweep
    write(summary, folder)
    text = (folder / "summary.html").read_text(encoding="utf-8")
    parsed = Strict(text.replace("</script>\n</body>", "</body>").replace("<script>for", "for"))
    assert not parsed.tags & {"script", "iframe", "link", "form"}
    assert "<script>alert(1)</script>" in "".join(parsed.words)
    assert parsed.loads.pop(1).startswith("data:image/svg+xml;base64,")
    assert parsed.loads == ["quantization%3Dint8/report.html"] + [
        f"quantization%3D{name}/report.html" for name in ("none", "int8", "fp16")
    ]
    assert all(mark in "".join(parsed.words) for mark in ("Recommended", "1 of 2", "drop<=0.5"))
    for name in ("summary.json", "summary.csv", "summary.html"):
        assert (folder / name).stat().st_size < 100_000


def test_a_manifest_that_has_gone_fails_its_run_alone(sweep):
    _, folder = sweep
    (folder / "quantization=int8" / "manifest.json").unlink()
    again = summarize(folder, [outcome(0, "quantization=none"), outcome(1, "quantization=int8")], complete=True)
    assert [row.state for row in again.rows] == ["done", "failed"]
    assert "holds no manifest.json" in (again.rows[1].reason or "")


def test_an_interrupted_sweep_says_so(tmp_path):
    assert "interrupted" in page(summarize(tmp_path, [outcome(0, "a=1", reason="why")], complete=False))
    text = page(summarize(tmp_path, [outcome(0, "a=1", reason="why")], complete=True))
    assert "interrupted" not in text and "No chart" in text


def test_the_same_summary_gives_the_same_bytes(sweep):
    summary, folder = sweep
    digests = set()
    for _ in range(2):
        write(summary, folder)
        digests.add(file_digest(folder / "summary.html"))
    assert len(digests) == 1


def test_what_varied():
    runs = [["+recipe=a", "b=1", "c=2"], ["+recipe=a", "b=2", "c=2"], ["+recipe=a", "b=2", "c=2", "d=0"]]
    assert varied_keys(runs) == ["b", "d"]
    assert varied_keys([["a=1"]]) == []
