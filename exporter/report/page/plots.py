"""The charts: `sensitivity.png` and `tradeoff.png`, for a document of somebody's own, and the latencies on the page."""

from pathlib import Path
from typing import TYPE_CHECKING

from exporter.artifact.manifest import Manifest
from exporter.benchmark.section import Latency
from exporter.quantization.section import Mixed
from exporter.report.figure import LOST, OWN, REFERENCE, new_figure
from exporter.report.html import signed
from exporter.report.page.sensitivity import MOST_LAYERS, Point, points

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FILES = ("sensitivity.png", "tradeoff.png")


def write_plots(folder: Path, manifest: Manifest) -> None:
    """Writes both charts into the folder, or nothing where the precision was not chosen layer by layer."""
    quantization = manifest.quantization
    if not isinstance(quantization, Mixed):
        return
    import matplotlib

    with matplotlib.rc_context({"text.parse_math": False}):  # a layer's name may hold dollar signs
        figures = (_sensitivity(quantization), _tradeoff(points(manifest), quantization.max_drop))
        for name, figure in zip(FILES, figures, strict=True):
            figure.savefig(folder / name, dpi=120, metadata={"Software": None})


def latency(measured: Latency) -> "Figure":
    """A strip for the reference and the artifact, from 0 ms: a line for each run, a box from the first quartile to the
    third, a heavy line at the median."""
    strips = {"this artifact": (measured.artifact.times_ms, OWN)}
    if measured.reference is not None:
        strips["FP32 reference"] = (measured.reference.times_ms, REFERENCE)
    figure, (axes,) = new_figure(9, 0.6 + 0.6 * len(strips))
    for place, (times, colour) in enumerate(strips.values()):
        axes.eventplot(times, lineoffsets=place, linelengths=0.7, linewidths=1, colors=colour, alpha=0.55)
        axes.boxplot(
            [times], positions=[place], orientation="horizontal", widths=0.4, patch_artist=True,
            showcaps=False, showfliers=False, whiskerprops={"linewidth": 0},
            medianprops={"color": colour, "linewidth": 4}, boxprops={"facecolor": colour, "alpha": 0.3, "linewidth": 0},
        )  # fmt: skip
    axes.set_yticks(range(len(strips)), list(strips))
    axes.set_xlim(left=0)
    axes.set_xlabel("ms")
    return figure


def _sensitivity(quantization: Mixed) -> "Figure":
    rows, in_float = quantization.ranking[:MOST_LAYERS], set(quantization.left_for_accuracy)
    figure, (axes,) = new_figure(9, 1.4 + 0.24 * len(rows))
    colours = [REFERENCE if row.layer in in_float else OWN for row in rows]
    bars = axes.barh([row.layer for row in rows], [row.error for row in rows], color=colours)
    axes.bar_label(bars, [_label(row.error, row.map_drop) for row in rows], padding=4, fontsize=7)
    axes.invert_yaxis()
    axes.margins(x=0.18, y=0.01)
    axes.tick_params(axis="y", labelsize=7)
    axes.set_xlabel("error at the outputs when only this layer is in INT8; change of mAP in points")
    left = f"grey: {len(in_float)} left in float" if in_float else "none had to be left in float"
    count = len(quantization.ranking)
    axes.set_title(f"The most sensitive {len(rows)} of {count} layers ({left})", loc="left", fontsize=10)
    return figure


def _label(error: float, drop: float | None) -> str:
    return f"{error:.2g}" if drop is None else f"{error:.2g}; {signed(-drop, 2)}"


def _tradeoff(known: list[Point], max_drop: float) -> "Figure":
    figure, (above, below) = new_figure(8, 6, 2)
    counts = [point.in_int8 for point in known]
    above.plot(counts, [point.drop for point in known], "o-", color=LOST)
    above.axhline(max_drop, color=REFERENCE, linestyle="--", linewidth=1)
    above.annotate(
        f"allowed: {max_drop:g}", (0, max_drop), (0, 3), textcoords="offset points", fontsize=8, color=REFERENCE
    )
    above.set_ylabel("points of mAP lost")
    below.plot(counts, [point.ratio for point in known], "o-", color=OWN)
    below.set_ylim(bottom=0)
    below.set_ylabel("time end to end, of FP32's")
    below.set_xlabel("layers in INT8")
    for point in known:
        if point.chosen:
            above.plot(point.in_int8, point.drop, "o", color="black", markersize=11, fillstyle="none")
            below.plot(point.in_int8, point.ratio, "o", color="black", markersize=11, fillstyle="none")
    above.set_title("What layers in INT8 cost and gain (circle: this artifact)", loc="left", fontsize=10)
    return figure
