"""Cases against the first of them, run in turn."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from exporter.benchmark.cases import Case
from exporter.benchmark.paired import interleaved, ratio, summarized
from exporter.benchmark.section import Ratio
from exporter.common.errors import BuildError, RequestError
from exporter.common.provenance import cpu
from exporter.runtime.openvino import OpenVinoSession


@dataclass(frozen=True)
class Row:
    """What was measured of a case: milliseconds of a run (percentiles), its ratio to the first case's, pictures a
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
            "hint": getattr(case.engine, "hint", None), "threads": case.threads, "batch": case.batch,
        }  # fmt: skip
        figures = {key: value for key, value in asdict(self).items() if key not in ("case", "ratio")}
        return about | figures | {"ratio": self.ratio.model_dump() if self.ratio else None}


def compared(cases: Sequence[Case], rounds: int) -> list[Row]:
    """A row a case, in their order. A case that an engine cannot take, or dies of, is a row that says why.

    Raises RequestError for fewer than one thread or two rounds."""
    if rounds < 2 or any(case.threads < 1 or case.batch < 1 for case in cases):
        raise RequestError("--threads, --batch, --rounds: at least 1 thread, 1 picture and 2 rounds")
    rows: list[Row] = []
    runs = {}
    for i, case in enumerate(cases):
        row = Row(case)
        try:
            subject = case.subject
            session = case.engine.session(subject.model, case.threads)
            if isinstance(session, OpenVinoSession) and getattr(case.engine, "hint", None) == "throughput":
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


def lines(rows: Sequence[Row], rounds: int) -> Iterator[str]:
    """The processor, then a line a row."""
    yield f"{processor()}, {rounds} rounds"
    for row in rows:
        scored = "" if row.map is None else f", mAP {row.map:.2f}"
        if row.why is not None:
            yield f"{row.case.name}: not measured: {row.why}"
        elif row.p50_ms is None:
            yield f"{row.case.name}: {row.per_second:.1f} pictures/s{scored}"
        else:
            line = f"{row.case.name}: p50 {row.p50_ms:.1f} ms, p90 {row.p90_ms:.1f} ms, p99 {row.p99_ms:.1f} ms{scored}"
            if r := row.ratio:
                line += f"; {r.median:.3f} of the first (middle half {r.low:.3f} to {r.high:.3f})"
                line += " !! SLOWER" if r.median > 1 else ""
            yield line


def processor() -> str:
    """The processor's name, and what decides how fast int8 is on it."""
    found = cpu()
    return f"{found.get('name', 'unknown CPU')} ({', '.join(found.get('features', []))})"
