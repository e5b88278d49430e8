"""One chart of a comparison: accuracy against latency, engines by colour, precisions by shape."""

from collections.abc import Sequence
from pathlib import Path

from exporter.artifact.benchmark.compare import Row
from exporter.report.figure import new_figure

COLOURS = {"onnxruntime": "#d55e00", "openvino": "#0072b2"}  # told apart by colour-blind eyes too
SHAPES = ("o", "s", "^", "D", "v", "P", "X")

NEAR = 0.025
"""Of an axis: points that are nearer to each other share their numbers' place."""


def draw(rows: Sequence[Row], title: str, file: Path, marked: Row | None = None) -> bool:
    """Writes a PNG of the rows that have both figures, numbered as in the key below it, `marked` in a circle; False,
    and nothing, where none has."""
    shown = [row for row in rows if row.map is not None and row.p50_ms is not None]
    if not shown:
        return False
    figure, (axes,) = new_figure(9, 4.6 + 0.2 * len(shown))
    precisions = dict.fromkeys(_precision(row) for row in shown)
    shapes = dict(zip(precisions, SHAPES * len(precisions), strict=False))
    for number, row in enumerate(shown, 1):
        axes.scatter(
            *_place(row), s=70, color=COLOURS.get(_engine(row), "#666666"), marker=shapes[_precision(row)],
            label=f"{number}  {_words(row)}", alpha=0.85,
        )  # fmt: skip
        if row is marked:
            axes.scatter(*_place(row), s=260, facecolors="none", edgecolors="black", linewidths=1.5)
    axes.set_xlim(left=0)
    axes.margins(x=0.1, y=0.25)
    for place, numbers in labels(shown, axes.get_xlim(), axes.get_ylim()):
        axes.annotate(numbers, place, (8, 6), textcoords="offset points", fontsize=9, color="#24292f")
    axes.set_xlabel("milliseconds a run, images in, detections out (median)")
    axes.set_ylabel("mAP@[.5:.95], points")
    axes.set_title(title, loc="left", fontsize=10)
    axes.grid(alpha=0.25)
    figure.legend(frameon=False, fontsize=9, loc="outside lower left")
    figure.savefig(file, dpi=120, metadata={"Software": None})
    return True


def labels(
    rows: Sequence[Row], x: tuple[float, float], y: tuple[float, float]
) -> list[tuple[tuple[float, float], str]]:
    """The numbers of the rows, those of points near to each other together at the rightmost of them."""
    groups: list[list[int]] = []
    for i in sorted(range(len(rows)), key=lambda i: _place(rows[i])):
        here = _place(rows[i])
        for group in groups:
            last = _place(rows[group[-1]])
            if abs(here[0] - last[0]) <= NEAR * (x[1] - x[0]) and abs(here[1] - last[1]) <= NEAR * (y[1] - y[0]):
                group.append(i)
                break
        else:
            groups.append([i])
    return [(_place(rows[group[-1]]), ", ".join(str(i + 1) for i in sorted(group))) for group in groups]


def _place(row: Row) -> tuple[float, float]:
    return row.p50_ms or 0.0, row.map or 0.0


def _words(row: Row) -> str:
    case = row.case
    batch = f", batch {case.batch}" if case.batch > 1 else ""
    threads = f"{case.threads} thread{'s' if case.threads > 1 else ''}{batch}"
    return f"{case.folder.name} ({_precision(row)}), {_engine(row)}, {threads}: {row.p50_ms:.1f} ms, mAP {row.map:.2f}"


def _engine(row: Row) -> str:
    return row.case.engine.name


def _precision(row: Row) -> str:
    """Of the file, and what the engine makes of its floats."""
    own = {"float32": "FP32", "int8": "INT8", "float16": "FP16", "mixed": "mixed INT8"}.get(
        row.case.precision, row.case.precision
    )
    computed = row.case.engine.computes_in
    return own if computed == "f32" else f"{own} computed in {computed}"
