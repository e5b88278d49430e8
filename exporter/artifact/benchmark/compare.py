"""Cases against the first of them, run in turn."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from exporter.artifact.benchmark.cases import Case
from exporter.benchmark.paired import interleaved, ratio, summarized
from exporter.benchmark.section import Ratio
from exporter.common.errors import BuildError, RequestError
from exporter.common.provenance import cpu


@dataclass(frozen=True)
class Row:
    """What was measured of a case: milliseconds of a run (percentiles), its ratio to the first case's, images a
    second (under the throughput hint of OpenVINO many at once, and then no time of a run), and points of mAP where they
    were asked for. `why`: why there is nothing."""

    case: Case
    p50_ms: float | None = None
    p90_ms: float | None = None
    p99_ms: float | None = None
    ratio: Ratio | None = None
    per_second: float | None = None
    map: float | None = None
    why: str | None = None

    def plain(self) -> dict[str, Any]:
        """JSON-able, for programs."""
        case = self.case
        about = {
            "artifact": str(case.folder), "sha256": case.manifest.artifact.sha256, "precision": case.precision,
            "engine": case.engine.label(case.folder / case.manifest.artifact.file), "settings": case.engine.settings,
            "hint": case.engine.hint, "threads": case.threads, "batch": case.batch,
        }  # fmt: skip
        metrics = {key: value for key, value in asdict(self).items() if key not in ("case", "ratio")}
        return about | metrics | {"ratio": self.ratio.model_dump() if self.ratio else None}


def compared(cases: Sequence[Case], rounds: int) -> list[Row]:
    """A row a case, in their order. A case that an engine cannot take, or dies of, is a row that says why. At least two
    rounds."""
    rows: list[Row] = []
    runs = {}
    for i, case in enumerate(cases):
        row = Row(case)
        try:
            subject = case.subject
            session = case.engine.session(subject.model, case.threads)
            if case.engine.hint == "throughput":
                count = max(rounds, 2 * session.streams)
                row = Row(case, per_second=count * case.batch / session.queued(subject.feeds, count))
            else:
                runs[i] = session.timed(subject.feeds)
                runs[i]()
        except (BuildError, RequestError) as error:
            runs.pop(i, None)
            row = Row(case, why=str(error))
        rows.append(row)
    times = dict(zip(runs, interleaved(list(runs.values()), rounds), strict=True))
    for i, each in times.items():
        t = summarized(each)
        against = ratio(each, times[0]) if i and 0 in times else None
        speed = 1000 * cases[i].batch * len(each) / sum(each)
        rows[i] = Row(cases[i], t.p50_ms, t.p90_ms, t.p99_ms, against, speed)
    return rows


def scored(rows: Sequence[Row], accuracy: Callable[[Case], float]) -> list[Row]:
    """With the mAP of each artifact in each engine, measured once whatever threads and batches it is timed with. A
    BuildError of `accuracy` makes a row that says why; any other goes through."""
    found: dict[tuple[Path, str], float | str] = {}
    for case in (row.case for row in rows if row.why is None):
        key = _judged(case)
        if key not in found:
            try:
                found[key] = accuracy(case)
            except BuildError as error:
                found[key] = str(error)
    return [_with(row, found[_judged(row.case)]) if row.why is None else row for row in rows]


def processor() -> str:
    """The processor's name, and what decides how fast int8 is on it."""
    found = cpu()
    return f"{found.get('name', 'unknown CPU')} ({', '.join(found.get('features', []))})"


def _judged(case: Case) -> tuple[Path, str]:
    """What its detections depend on."""
    return case.folder, case.engine.label(case.folder / case.manifest.artifact.file)


def _with(row: Row, found: float | str) -> Row:
    return replace(row, why=found) if isinstance(found, str) else replace(row, map=found)
