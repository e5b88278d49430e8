"""What was measured, as tiles and as a table: the FP32 reference and this artifact side by side."""

from collections.abc import Callable, Iterator

from exporter.artifact.manifest import Benchmark, Evaluation, Manifest
from exporter.report.page.markup import table, text

MINUS = "\u2212"


def tiles(manifest: Manifest) -> str:
    """The few figures to see first."""
    shown = "".join(
        f'<div class="tile"><span class="label">{text(label)}</span><span class="value">{text(value)}</span>'
        f'<span class="detail">{text(detail)}</span></div>'
        for label, value, detail in _tiles(manifest)
    )
    return f'<div class="tiles">{shown}</div>'


def _tiles(manifest: Manifest) -> Iterator[tuple[str, str, str]]:
    evaluation, benchmark = manifest.evaluation, manifest.benchmark
    size = f"{manifest.artifact.bytes / 1e6:.1f} MB"
    if evaluation:
        reference, drop = evaluation.reference, evaluation.drop
        detail = f"on {evaluation.num_images} pictures"
        if reference is not None and drop is not None:
            detail = f"{signed(-drop)} points against FP32 ({reference.map:.1f}), {detail}"
        yield "mAP@[.5:.95]", f"{evaluation.artifact.map:.1f}", detail
    else:
        found = manifest.proof.get("detections") or {}
        if found.get("map") is not None:
            yield (
                "mAP@[.5:.95]",
                f"{found['map']:.1f}",
                f"torch {found['torch_map']:.1f}, {found['scenes']} demo scenes",
            )
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
    network = manifest.proof.get("network") or {}
    if "mean_score_error" in network:
        yield "scores against torch", f"{network['mean_score_error']:.1e}", "mean difference, before NMS"


def side_by_side(manifest: Manifest) -> str:
    """The table of everything that was measured on both; without a reference its columns are left out."""
    rows = [*_accuracy(manifest.evaluation), *_speed(manifest.benchmark)]
    if not rows:
        return ""
    if all(reference == "" for _, reference, _, _ in rows):
        return table(("", "artifact"), [(text(label), text(own)) for label, _, own, _ in rows])
    cells = [
        (text(label), text(reference), f"<b>{text(own)}</b>", text(change)) for label, reference, own, change in rows
    ]
    return table(("", "FP32", "artifact", "change"), cells)


Row = tuple[str, str, str, str]


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
            yield label, f"{theirs:.2f}" if known else "", f"{ours:.2f}", signed(ours - theirs, 2) if known else ""


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
            yield f"{label}, paired ratio (quartiles)", "1", f"{r.median:.3f}", spread
    for t in benchmark.throughput:
        label = f"pictures a second, {t.threads} thread{'s' if t.threads > 1 else ''}, batch {t.batch}"
        yield _row(label, t.artifact, t.reference, lambda value: f"{value:.1f}")
    memory, file = benchmark.peak_memory_bytes, benchmark.file_bytes
    if memory.artifact is not None:
        yield _row("peak memory of a process", memory.artifact, memory.reference, lambda value: f"{value / 1e6:.0f} MB")
    if file.artifact is not None:
        yield _row("file", file.artifact, file.reference, lambda value: f"{value / 1e6:.1f} MB")


def _row(label: str, own: float, reference: float | None, shown: Callable[[float], str]) -> Row:
    if not reference:
        return label, "", shown(own), ""
    return label, shown(reference), shown(own), f"×\u00a0{own / reference:.2f}"


def signed(value: float, digits: int = 1) -> str:
    """A number of points with its sign, ±0.0 where nothing of it is left in so many digits."""
    rounded = round(value, digits)
    return f"{MINUS if rounded < 0 else '+' if rounded > 0 else '±'}{abs(rounded):.{digits}f}"
