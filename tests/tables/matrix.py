"""Every network in every precision, format and shape: is it the network, does it detect the same, what does it take."""

import tempfile
from collections.abc import Sequence
from functools import partial
from itertools import product
from pathlib import Path

from exporter.artifact.benchmark.compare import processor
from exporter.common.geometry import STRIDE
from exporter.common.progress import Progress
from exporter.model.architectures import ARCHITECTURES
from exporter.model.known_weights import DEMO
from tests.tables import markdown
from tests.tables.markdown import Missing
from tests.tables.measured import built, time_ratio
from tests.tables.rows import Metrics, Row, fill

PRECISIONS, FORMATS, SHAPES = ("none", "fp16", "int8"), ("batch", "flat"), ("fixed", "dynamic")

HEAD = ("network", "precision", "format", "shape", "box error, px", "score error", "matched boxes", "build, s",
        "latency ratio")  # fmt: skip

ABOUT = """\
Errors: the largest |artifact - torch| before NMS. Matched: boxes of artifact and torch network that have each other \
(one class, IoU at least 0.5), of all that either has, on synthetic images. Latency: the artifact, pixels in, detections \
out, against the plain network (neither pre-processing nor NMS inside, FP32, fixed shape), one image of \
{size} × {size}, medians of {rounds} interleaved runs on {cpu}. Dynamic: batch, height and width. Networks without \
demo weights: random ones."""


def table(size: int, rounds: int, limit: int | None, file: Path, progress: Progress) -> str:
    """The table in Markdown, and a paragraph before it that says what was measured where."""
    every = product(ARCHITECTURES, PRECISIONS, FORMATS, SHAPES)
    rows = [Row(names, overrides(*names, size), {"rounds": rounds}) for names in every][:limit]
    found: list[Metrics] = []
    for model in dict.fromkeys(row.name[0] for row in rows):
        own = [row for row in rows if row.name[0] == model]
        with tempfile.TemporaryDirectory() as folder:
            plain = (*common(model), f"input.size={size}", "preprocessing=none", "postprocessing/nms=none")
            found += fill(own, partial(measured, plain=plain, folder=Path(folder)), file, progress)
    about = ABOUT.format(size=size, rounds=rounds, cpu=processor())
    return f"{about}\n\n{markdown.table(HEAD, [cells(*each) for each in zip(rows, found, strict=True)])}"


def common(model: str) -> tuple[str, ...]:
    """The overrides that all builds of a network share."""
    demo = (DEMO / f"{model}.safetensors").is_file()
    return (f"+recipe={model}", f"model.weights={'demo' if demo else 'random'}")


def overrides(model: str, precision: str, form: str, shape: str, size: int) -> tuple[str, ...]:
    """The build of one row. Dynamic sides go from half the size to twice that, and are proved at both ends."""
    chosen = [*common(model), f"quantization={precision}", f"postprocessing/format={form}"]
    if precision == "int8":
        chosen.append("calibration=demo")
    if shape == "fixed":
        chosen.append(f"input.size={size}")
    else:
        least = max(size // 2 // STRIDE, 1) * STRIDE
        chosen += ["input.batch=dynamic", "input.size=dynamic", f"input.nominal_size={size}"]
        chosen += [f"input.min_size={least}", f"input.max_size={2 * size}"]
    return tuple(chosen)


def measured(row: Row, plain: Sequence[str], folder: Path) -> Metrics:
    """Builds one row and times it against the build `plain`, which stays in the folder for the next row.

    Raises BuildError where a build fails."""
    if not (folder / "plain").exists():
        built(plain, folder / "plain")
    manifest, seconds = built(row.overrides, folder / "artifact")
    network, detections = manifest.proof.network, manifest.proof.detections.model_dump()
    return {
        "box_error": network.max_box_error,
        "score_error": network.max_score_error,
        "matched": detections.get("matched"),
        "boxes": detections.get("boxes"),
        "why": detections.get("why"),
        "seconds": seconds,
        "ratio": time_ratio(folder / "artifact", folder / "plain", row.settings["rounds"]).model_dump(),
    }


def cells(row: Row, found: Metrics) -> list[str | Missing]:
    """One line of the table."""
    if "reason" in found:
        return [*row.name, *[Missing(found["reason"])] * (len(HEAD) - len(row.name))]
    ratio = found["ratio"]
    return [
        *row.name,
        f"{found['box_error']:.2g}",
        f"{found['score_error']:.2g}",
        Missing(found["why"]) if found["matched"] is None else f"{found['matched']} of {found['boxes']}",
        f"{found['seconds']:.0f}",
        f"{ratio['median']:.3f} ({ratio['low']:.3f} to {ratio['high']:.3f})",
    ]
