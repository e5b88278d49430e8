"""Every network in every precision for TensorRT, proved and scored on the CPU: what is in which precision, and what that
costs."""

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import onnx

from exporter.common.progress import Progress
from exporter.model.architectures import ARCHITECTURES
from exporter.quantization.summary import summarize, summarize_fp16
from tests.tables import markdown
from tests.tables.markdown import Missing
from tests.tables.matrix import common
from tests.tables.measured import built, demo_map
from tests.tables.rows import Metrics, Row, fill

PRECISIONS = {"FP32": "none", "FP16": "fp16", "INT8": "int8", "INT8 and FP16": "int8_fp16"}
"""What the second column says, and the option of `quantization` that it is."""

HEAD = ("network", "precision", "mean box error, px", "mean score error", "matched boxes", "mAP", "drop",
        "convolutions INT8 / FP16 / FP32", "MB")  # fmt: skip

ABOUT = """\
Run in ONNX Runtime on a CPU, TensorRT's plugin emulated by ONNX operators; never in TensorRT. {size} × {size}. \
Errors: |artifact - torch| before NMS, boxes weighted by their score. Matched: boxes of artifact and torch network \
that have each other, of all that either has, on synthetic images. mAP@[.5:.95] on {scenes} synthetic images neither trained nor \
calibrated on, drop against FP32. Networks without demo weights: random ones, which detect nothing."""


def table(size: int, scenes: int, limit: int | None, file: Path, progress: Progress) -> str:
    """The table in Markdown, and a paragraph before it that says what was measured how. Networks with demo weights come
    first."""
    with_demo = sorted(ARCHITECTURES, key=lambda model: "model.weights=demo" not in common(model))
    rows = [
        Row((model, precision), overrides(model, PRECISIONS[precision], size), {"scenes": scenes})
        for model in with_demo
        for precision in PRECISIONS
    ][:limit]
    with tempfile.TemporaryDirectory() as folder:
        found = fill(rows, partial(measured, folder=Path(folder)), file, progress)
    references = {row.name: metrics.get("map") for row, metrics in zip(rows, found, strict=True)}
    lines = [cells(row, metrics, references[row.name[0], "FP32"]) for row, metrics in zip(rows, found, strict=True)]
    return f"{ABOUT.format(size=size, scenes=scenes)}\n\n{markdown.table(HEAD, lines)}"


def overrides(model: str, precision: str, size: int) -> tuple[str, ...]:
    """The build of one row; of INT8 with random weights, the synthetic images are as good as any."""
    _, weights = common(model)
    said = [f"+recipe={model}", f"quantization={precision}", "backend=tensorrt", weights, f"input.size={size}"]
    said.append("postprocessing.nms.confidence_threshold=0.01")  # mAP is that of all detections, not of the sure ones
    return (*said, "calibration=demo") if "int8" in precision else tuple(said)


def measured(row: Row, folder: Path) -> Metrics:
    """Builds one row and scores it where its weights detect anything. Raises BuildError where the build fails."""
    manifest, _ = built(row.overrides, folder / "artifact")
    model = onnx.load(folder / "artifact" / manifest.artifact.file)
    in_int8 = summarize(model).convolutions.int8
    fp16 = summarize_fp16(model).float16_convolutions
    network, detections = manifest.proof.network, manifest.proof.detections.model_dump()
    total = in_int8 + summarize(model).convolutions.float
    return {
        "box_error": network.mean_box_error,
        "score_error": network.mean_score_error,
        "matched": detections.get("matched"),
        "boxes": detections.get("boxes"),
        "why": detections.get("why"),
        "map": demo_map(folder / "artifact", row.settings["scenes"]) if "model.weights=demo" in row.overrides else None,
        "convolutions": [in_int8, fp16, total - in_int8 - fp16],
        "bytes": manifest.artifact.bytes,
    }


def cells(row: Row, found: Metrics, reference: float | None) -> Sequence[str | Missing]:
    """One line of the table. reference: the mAP of FP32 of the same network."""
    if "reason" in found:
        return [*row.name, *[Missing(found["reason"])] * (len(HEAD) - len(row.name))]
    unscored = Missing("no trained weights ship for it")
    return [
        *row.name,
        f"{found['box_error']:.2g}",
        f"{found['score_error']:.2g}",
        unscored if found["matched"] is None else f"{found['matched']} of {found['boxes']}",
        unscored if found["map"] is None else f"{found['map']:.2f}",
        unscored if found["map"] is None or reference is None else f"{reference - found['map']:.2f}",
        " / ".join(str(count) for count in found["convolutions"]),
        f"{found['bytes'] / 1e6:.1f}",
    ]
