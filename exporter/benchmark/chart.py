"""One picture of a comparison: accuracy against latency, engines by colour, precisions by shape."""

from collections.abc import Sequence
from pathlib import Path

from exporter.benchmark.compare import Row
from exporter.runtime.openvino import OpenVinoEngine

COLOURS = {"onnxruntime": "#d55e00", "openvino": "#0072b2"}  # told apart by colour-blind eyes too
SHAPES = ("o", "s", "^", "D", "v", "P", "X")


def draw(rows: Sequence[Row], title: str, file: Path, marked: Row | None = None) -> bool:
    """Writes a PNG of the rows that have both figures, `marked` in a circle; False, and nothing, where none has."""
    shown = [row for row in rows if row.map is not None and row.p50_ms is not None]
    if not shown:
        return False
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5.5), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    kinds = dict.fromkeys((_engine(row), _precision(row)) for row in shown)
    shapes = dict(zip(dict.fromkeys(precision for _, precision in kinds), SHAPES * len(kinds), strict=False))
    for engine, precision in kinds:
        own = [row for row in shown if (_engine(row), _precision(row)) == (engine, precision)]
        axes.scatter(
            [row.p50_ms or 0.0 for row in own], [row.map or 0.0 for row in own], s=70,
            color=COLOURS.get(engine, "#666666"),
            marker=shapes[precision], label=f"{engine}, {precision}", alpha=0.85,
        )  # fmt: skip
    for row in shown:
        words = f"{row.case.threads} threads" + (f", batch {row.case.batch}" if row.case.batch > 1 else "")
        place = (row.p50_ms or 0.0, row.map or 0.0)
        axes.annotate(words, place, (7, 5), textcoords="offset points", fontsize=8, color="#57606a")
        if row is marked:
            axes.scatter(*place, s=260, facecolors="none", edgecolors="black", linewidths=1.5)
    axes.set_xlim(left=0)
    axes.margins(x=0.15, y=0.25)
    axes.set_xlabel("milliseconds a run, pictures in, detections out (median)")
    axes.set_ylabel("mAP@[.5:.95], points")
    axes.set_title(title, loc="left", fontsize=10)
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, fontsize=9, loc="best")
    figure.savefig(file, dpi=120, metadata={"Software": None})
    return True


def _engine(row: Row) -> str:
    return "openvino" if isinstance(row.case.engine, OpenVinoEngine) else "onnxruntime"


def _precision(row: Row) -> str:
    """Of the file, and what the engine makes of its floats."""
    own = {"none": "FP32", "int8": "INT8", "fp16": "FP16", "mixed": "mixed INT8"}.get(
        row.case.precision, row.case.precision
    )
    computed = getattr(row.case.engine, "precision", "f32")
    return own if computed == "f32" else f"{own} computed in {computed}"
