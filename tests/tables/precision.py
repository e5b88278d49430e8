"""What each precision costs and gains on the demo's weights and synthetic images."""

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import get_args

from exporter.artifact.benchmark.compare import processor
from exporter.calibration import CalibrationNode
from exporter.common.progress import Progress
from tests.tables import markdown
from tests.tables.markdown import Missing
from tests.tables.measured import built, demo_map, time_ratio
from tests.tables.rows import Metrics, Row, fill

METHODS = get_args(CalibrationNode.model_fields["method"].annotation)

PRECISIONS = {
    "FP32": ("quantization=none",),
    "FP16": ("quantization=fp16",),
    **{f"INT8 {method}": ("quantization=int8", f"calibration.method={method}") for method in METHODS},
    "mixed": ("quantization=mixed",),
    "INT8 by ModelOpt": ("quantization=modelopt",),
    "INT8 by NNCF": ("quantization=nncf",),
}
"""What the first column says, and the overrides that choose it; the first is the baseline."""

# The table says itself what a precision costs, also of one that costs more than the proof lets pass.
WIDE = ("proof.mean_score_error=1", "proof.mean_box_error=1000", "proof.max_map_drop=100", "proof.max_score_shift=1")

HEAD = ("precision", "mAP", "drop", "latency ratio", "MB", "build, s")


def table(model: str, size: int, scenes: int, rounds: int, limit: int | None, file: Path, progress: Progress) -> str:
    """The table in Markdown, and a line before it that says what was measured where."""
    # Precision is that of all detections: with a threshold, only of the sure ones.
    confidence = "postprocessing.nms.confidence_threshold=0.01"
    common = (f"+recipe={model}", "model.weights=demo", f"input.size={size}", confidence, *WIDE)
    settings = {"scenes": scenes, "rounds": rounds}
    rows = [Row((name,), (*common, *overrides), settings) for name, overrides in PRECISIONS.items()][:limit]
    with tempfile.TemporaryDirectory() as folder:
        found = fill(rows, partial(measured, baseline=rows[0].overrides, folder=Path(folder)), file, progress)
    reference = found[0].get("map")
    where = (
        f"{model} with the demo weights, {size} × {size}, mAP@[.5:.95] on {scenes} synthetic images neither trained nor"
        f" calibrated on; latency end to end against FP32, medians of {rounds} interleaved runs, on"
        f" {processor()}; FP32 against itself shows the noise.\n\n"
    )
    return where + markdown.table(HEAD, [cells(*each, reference) for each in zip(rows, found, strict=True)])


def measured(row: Row, baseline: Sequence[str], folder: Path) -> Metrics:
    """Builds, scores and times one row against the build `baseline`, which stays in the folder for the next row.

    Raises BuildError where a build fails."""
    if not (folder / "baseline").exists():
        built(baseline, folder / "baseline")
    manifest, seconds = built(row.overrides, folder / "artifact")
    ratio = time_ratio(folder / "artifact", folder / "baseline", row.settings["rounds"])
    return {
        "map": demo_map(folder / "artifact", row.settings["scenes"]),
        "ratio": ratio.model_dump(),
        "bytes": manifest.artifact.bytes,
        "seconds": seconds,
    }


def cells(row: Row, found: Metrics, reference: float | None) -> list[str | Missing]:
    """One line of the table. reference: the mAP of FP32."""
    if "reason" in found:
        return [*row.name, *[Missing(found["reason"])] * (len(HEAD) - 1)]
    drop = Missing("FP32 itself could not be measured") if reference is None else f"{reference - found['map']:.2f}"
    ratio = found["ratio"]
    return [
        *row.name,
        f"{found['map']:.2f}",
        drop,
        f"{ratio['median']:.3f} ({ratio['low']:.3f} to {ratio['high']:.3f})",
        f"{found['bytes'] / 1e6:.1f}",
        f"{found['seconds']:.0f}",
    ]
