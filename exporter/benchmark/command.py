"""`exporter benchmark`: artifacts on the disk, in their own engine or in every one that is here."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from exporter.artifact.detector import detector_of
from exporter.artifact.evaluate import pictures_node
from exporter.benchmark.cases import Case, cases, engine_names
from exporter.benchmark.chart import draw
from exporter.benchmark.compare import Row, compared, lines, processor
from exporter.common.bit_depth import BitDepth
from exporter.common.errors import BuildError, RequestError
from exporter.common.messages import one_of
from exporter.common.progress import Progress
from exporter.evaluation.evaluate import evaluate
from exporter.evaluation.notes import warning
from exporter.runtime.openvino import Hint, Precision

T = TypeVar("T", bound=str)
Pictures = tuple[int | None, str | None, Sequence[str] | None, bool, BitDepth]

PRECISIONS: tuple[Precision, ...] = ("f32", "bf16", "f16")
HINTS: tuple[Hint, ...] = ("latency", "throughput")


def benchmark(
    folders: Sequence[Path],
    engines: Sequence[str],
    precisions: Sequence[str],
    hints: Sequence[str],
    threads: Sequence[int],
    batches: Sequence[int] | None,
    rounds: int,
    pictures: Pictures | None,
    out: Path | None,
    progress: Progress,
) -> Iterator[str]:
    """Lines for the terminal; in `out` the same as benchmark.json, and where accuracy is asked for benchmark.png.

    pictures: number, data.yaml, folder with COCO json, whether odd labels are errors, and bits of 16-bit images: what
    accuracy is measured on, see `pictures_node`; None does not measure it. Raises RequestError for what is not known or
    not installed, and for
    folders without an artifact."""
    names = engine_names(engines)
    chosen = cases(
        folders, names, _known("--precision", precisions, PRECISIONS), _known("--hint", hints, HINTS), threads, batches
    )
    rows = compared(chosen, rounds)
    if pictures is not None:
        rows = scored(rows, pictures, progress)
    yield from lines(rows, rounds)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        about = {"processor": processor(), "rounds": rounds, "rows": [row.plain() for row in rows]}
        (out / "benchmark.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        yield f"{out / 'benchmark.json'}"
        if draw(rows, f"{processor()}, {rounds} interleaved runs", out / "benchmark.png"):
            yield f"{out / 'benchmark.png'}"


def scored(rows: Sequence[Row], pictures: Pictures, progress: Progress) -> list[Row]:
    """With the mAP of each artifact in each engine, measured once whatever threads and batches it is timed with."""
    found: dict[tuple[Path, str], float | str] = {}
    for case in (row.case for row in rows if row.why is None):
        key = _judged(case)
        if key not in found:
            try:
                found[key] = mean_precision(case, pictures, progress)
            except BuildError as error:
                found[key] = str(error)
    return [_with(row, found[_judged(row.case)]) if row.why is None else row for row in rows]


def mean_precision(case: Case, pictures: Pictures, progress: Progress) -> float:
    """mAP@[.5:.95] in points. Raises BuildError where the engine fails on a picture."""
    names = case.manifest.model.class_names
    node = pictures_node(*pictures)
    detector = detector_of(case.folder, case.manifest, engine=case.engine)
    examples = node.examples(names, *case.manifest.input.nominal_picture)
    if line := warning(examples.notes, "--strict"):
        progress.warn(line)
    return evaluate(
        detector, None, examples, len(names), progress, name=node.name, depth_key="--bit-depth "
    ).artifact.map


def _judged(case: Case) -> tuple[Path, str]:
    """What its detections depend on."""
    return case.folder, case.engine.label(case.folder / case.manifest.artifact.file)


def _with(row: Row, found: float | str) -> Row:
    return replace(row, why=found) if isinstance(found, str) else replace(row, map=found)


def _known(flag: str, given: Sequence[str], allowed: tuple[T, ...]) -> list[T]:
    known = {str(each): each for each in allowed}
    for word in given:
        if word not in known:
            raise RequestError(one_of(f"{flag} {word}: not known", word, list(known)))
    return [known[word] for word in given] or [allowed[0]]
