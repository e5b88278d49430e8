"""`exporter benchmark`: artifacts on the disk against the first of them."""

from collections.abc import Sequence
from pathlib import Path

from exporter.benchmark.paired import interleaved, ratio, summarized
from exporter.benchmark.subject import of_manifest
from exporter.errors import RequestError
from exporter.manifest import read_manifest
from exporter.provenance import cpu


def compare(folders: Sequence[Path], threads: int, rounds: int) -> list[str]:
    """Lines: the processor, then for each folder its times and, but for the first, its ratio to the first's.

    Raises RequestError for fewer than one thread or two rounds, and for folders that hold no artifact."""
    if threads < 1 or rounds < 2:
        raise RequestError(f"--threads {threads} --rounds {rounds}: at least 1 thread and 2 rounds")
    runs = [of_manifest(folder, read_manifest(folder)).runner(threads) for folder in folders]
    times = interleaved(runs, rounds)
    lines = [f"{processor()}, {threads} threads, {rounds} rounds"]
    for folder, each in zip(folders, times, strict=True):
        t = summarized(each)
        line = f"{folder}: p50 {t.p50_ms:.1f} ms, p90 {t.p90_ms:.1f} ms, p99 {t.p99_ms:.1f} ms"
        if each is not times[0]:
            r = ratio(each, times[0])
            line += f"; {r.median:.3f} of {folders[0]} (middle half {r.low:.3f} to {r.high:.3f})"
            line += " !! SLOWER" if r.median > 1 else ""
        lines.append(line)
    return lines


def processor() -> str:
    """The processor's name, and what decides how fast int8 is on it."""
    found = cpu()
    return f"{found.get('name', 'unknown CPU')} ({', '.join(found.get('features', []))})"
