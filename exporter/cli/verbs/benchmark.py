"""`exporter benchmark`: artifacts on the disk, in their own engine or in every one that is here."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from exporter.cli.arguments import add_labelled_images, add_threads, labelled_images, positive_numbers, rounds

if TYPE_CHECKING:
    from exporter.artifact.benchmark.cases import Case
    from exporter.artifact.benchmark.compare import Row
    from exporter.runtime.openvino import Hint, Precision

USAGE = "DIR… [--engine all]"
SUMMARY = "time of each artifact, in each engine, against the first, interleaved"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("dirs", type=Path, nargs="+", metavar="DIR")
    engines = "all: those that are installed; own: the one that each artifact is for (the default)"
    parser.add_argument("--engine", action="append", choices=["own", "onnxruntime", "openvino", "all"], help=engines)
    about = "what OpenVINO computes in (f32)"
    parser.add_argument("--precision", action="append", choices=["f32", "bf16", "f16"], help=about)
    about = "what OpenVINO is asked for (latency)"
    parser.add_argument("--hint", action="append", choices=["latency", "throughput"], help=about)
    add_threads(parser)
    parser.add_argument("--batch", type=positive_numbers, metavar="N,…", help="images a run, where that is free")
    parser.add_argument("--rounds", type=rounds, default=40)
    number = "measures mAP too, on so many synthetic images; with --yolo or --coco at most so many images"
    add_labelled_images(parser, number)
    parser.add_argument("--out", type=Path, metavar="DIR", help="benchmark.json, and with mAP benchmark.png")


def run(given: Namespace) -> int:
    from exporter.artifact.benchmark.cases import cases, engine_names
    from exporter.artifact.benchmark.compare import compared, processor, scored
    from exporter.artifact.evaluate import evaluate_artifact
    from exporter.common.errors import RequestError
    from exporter.common.progress_form import progress_in

    engines = engine_names(given.engine or ["own"])
    if "openvino" not in engines and (given.precision or given.hint):
        raise RequestError("--precision, --hint: are OpenVINO's: add --engine openvino or all, or leave them out")
    asked = given.num_images is not None or given.yolo or given.coco or given.strict or given.bit_depth != "auto"
    images = labelled_images(given) if asked else None
    precisions: list[Precision] = given.precision or ["f32"]
    hints: list[Hint] = given.hint or ["latency"]
    rows = compared(cases(given.dirs, engines, precisions, hints, given.threads, given.batch), given.rounds)
    if images is not None:
        progress = progress_in("text")

        def accuracy(case: "Case") -> float:
            return evaluate_artifact(case.folder, case.manifest, images, progress, case.engine).artifact.map

        rows = scored(rows, accuracy)
    print(f"{processor()}, {given.rounds} rounds")
    for row in rows:
        print(line(row))
    if given.out is not None:
        for file in _written(rows, given.rounds, given.out):
            print(file)
    return 0


def line(row: "Row") -> str:
    """What was measured of a case, or why nothing was."""
    scored = "" if row.map is None else f", mAP {row.map:.2f}"
    if row.why is not None:
        return f"{row.case.name}: not measured: {row.why}"
    if row.p50_ms is None:
        return f"{row.case.name}: {row.per_second:.1f} images/s{scored}"
    said = f"{row.case.name}: p50 {row.p50_ms:.1f} ms, p90 {row.p90_ms:.1f} ms, p99 {row.p99_ms:.1f} ms{scored}"
    if r := row.ratio:
        said += f"; {r.median:.3f} of the first (middle half {r.low:.3f} to {r.high:.3f})"
        said += " !! SLOWER" if r.median > 1 else ""
    return said


def _written(rows: "Sequence[Row]", rounds: int, out: Path) -> Iterator[Path]:
    """benchmark.json, and benchmark.png where there is something to draw."""
    from exporter.artifact.benchmark.compare import processor
    from exporter.report.benchmark_chart import draw

    out.mkdir(parents=True, exist_ok=True)
    about = {"processor": processor(), "rounds": rounds, "rows": [row.plain() for row in rows]}
    (out / "benchmark.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    yield out / "benchmark.json"
    if draw(rows, f"{processor()}, {rounds} interleaved runs", out / "benchmark.png"):
        yield out / "benchmark.png"
