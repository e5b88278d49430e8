"""What was measured, in words for the page: the FP32 reference and this artifact side by side."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from exporter.artifact.manifest import Benchmark, Evaluation, Manifest
from exporter.proof.section import DetectionErrors
from exporter.report.html import signed

MOST_CLASSES = 100


def tiles(manifest: Manifest) -> Iterator[tuple[str, str, str]]:
    """The few to see first: label, value, detail."""
    evaluation, benchmark = manifest.evaluation, manifest.benchmark
    size = f"{manifest.artifact.bytes / 1e6:.1f} MB"
    if evaluation:
        reference, drop = evaluation.reference, evaluation.drop
        detail = f"on {evaluation.num_images} images"
        if reference is not None and drop is not None:
            detail = f"{signed(-drop)} points against FP32 ({reference.map:.1f}), {detail}"
        yield "mAP@[.5:.95]", f"{evaluation.artifact.map:.1f}", detail
    else:
        found = manifest.proof.detections
        if isinstance(found, DetectionErrors):
            yield "mAP@[.5:.95]", f"{found.map:.1f}", f"torch {found.torch_map:.1f}, {found.scenes} synthetic images"
    if benchmark:
        own, ratio = benchmark.end_to_end.artifact, benchmark.end_to_end.ratio
        threads = f"{benchmark.threads} thread{'s' if benchmark.threads > 1 else ''}"
        against = f"{ratio.median:.2f} × the time of FP32, " if ratio else ""
        yield "latency, median", f"{own.p50_ms:.1f} ms", f"{against}batch {benchmark.batch}, {threads}"
        before, bytes_ = benchmark.file_bytes.reference, manifest.artifact.bytes
        yield "file", size, f"{bytes_ / before:.2f} × the size of FP32" if before else "model.onnx"
        memory = benchmark.peak_memory_bytes
        if memory.artifact:
            detail = f"{memory.artifact / memory.reference:.2f} × that of FP32" if memory.reference else "to run it"
            yield "peak memory", f"{memory.artifact / 1e6:.0f} MB", detail
    else:
        yield "file", size, manifest.artifact.file
    error = manifest.proof.network.mean_score_error
    yield "scores against torch", f"{error:.1e}", "mean difference, before NMS"


class Row(NamedTuple):
    """One measure of both; without a reference `reference` and `change` are empty."""

    label: str
    reference: str
    own: str
    change: str


def side_by_side(manifest: Manifest) -> Iterator[Row]:
    """Everything that was measured on both."""
    yield from _accuracy(manifest.evaluation)
    yield from _speed(manifest.benchmark)


def _accuracy(evaluation: Evaluation | None) -> Iterator[Row]:
    if evaluation is None:
        return
    own, reference = evaluation.artifact, evaluation.reference
    labels = [("mAP@[.5:.95]", "map"), ("AP50", "ap50"), ("AP75", "ap75")]
    values = [(label, getattr(own, key), getattr(reference, key, None)) for label, key in labels]
    sizes = reference.by_size if reference else {}
    values += [(f"mAP, {size} objects", value, sizes.get(size)) for size, value in own.by_size.items()]
    for label, ours, theirs in values:
        if ours is not None:
            known = theirs is not None
            change = signed(ours - theirs, 2) if known else ""
            yield Row(label, f"{theirs:.2f}" if known else "", f"{ours:.2f}", change)


def _speed(benchmark: Benchmark | None) -> Iterator[Row]:
    if benchmark is None:
        return
    for label, latency in (("end to end", benchmark.end_to_end), ("network alone", benchmark.core)):
        for key in ("p50", "p90", "p99"):
            ours, theirs = getattr(latency.artifact, f"{key}_ms"), getattr(latency.reference, f"{key}_ms", None)
            if label == "end to end" or key == "p50":
                yield _row(f"{label}, {key}", ours, theirs, lambda value: f"{value:.1f} ms")
        if latency.ratio:
            r = latency.ratio
            spread = f"{r.low:.2f} …\u00a0{r.high:.2f}"
            yield Row(f"{label}, paired ratio (quartiles)", "1", f"{r.median:.3f}", spread)
    for t in benchmark.throughput:
        label = f"images a second, {t.threads} thread{'s' if t.threads > 1 else ''}, batch {t.batch}"
        yield _row(label, t.artifact, t.reference, lambda value: f"{value:.1f}")
    memory, file = benchmark.peak_memory_bytes, benchmark.file_bytes
    if memory.artifact is not None:
        yield _row("peak memory of a process", memory.artifact, memory.reference, lambda value: f"{value / 1e6:.0f} MB")
    if file.artifact is not None:
        yield _row("file", file.artifact, file.reference, lambda value: f"{value / 1e6:.1f} MB")


def _row(label: str, own: float, reference: float | None, shown: Callable[[float], str]) -> Row:
    if not reference:
        return Row(label, "", shown(own), "")
    return Row(label, shown(reference), shown(own), f"×\u00a0{own / reference:.2f}")


class ClassRow(NamedTuple):
    """A class that the images hold: AP in points of 100 of the artifact and, where there is one, of the reference."""

    name: str
    objects: int
    own: float
    reference: float | None


def by_class(evaluation: Evaluation | None, names: Sequence[str]) -> list[ClassRow]:
    """Those that lost most come first, without a reference the most precise."""
    if evaluation is None:
        return []
    references = evaluation.reference.by_class if evaluation.reference else None
    rows = [
        ClassRow(names[i], evaluation.boxes_by_class[i], own, (references[i] or 0.0) if references else None)
        for i, own in enumerate(evaluation.artifact.by_class)
        if own is not None
    ]
    return sorted(rows, key=lambda row: -row.own if row.reference is None else row.own - row.reference)
