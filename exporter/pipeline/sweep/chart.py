"""The chart of a sweep: accuracy against cost, each run a point, the Pareto front a line of steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.report.figure import OWN, REFERENCE, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Point:
    """A run: its number, its place in the units of the axes, and what it is in words."""

    num: int
    x: float
    y: float
    words: str


def scatter(points: Sequence[Point], front: Sequence[int], chosen: int | None, x_title: str) -> "Figure":
    """The points, those of `front` (numbers, by x) joined, `chosen` ringed."""
    by_num = {point.num: point for point in points}
    figure, (axes,) = new_figure(9, 4.5)
    best = [by_num[num] for num in front]
    axes.step([point.x for point in best], [point.y for point in best], where="post", color=OWN)
    for point in points:
        axes.plot(point.x, point.y, "o", color=OWN if point.num in front else REFERENCE)
        axes.annotate(str(point.num), (point.x, point.y), (6, 4), textcoords="offset points")
        if point.num == chosen:
            axes.plot(point.x, point.y, "o", color=OWN, markersize=14, fillstyle="none")
    axes.margins(0.1)
    axes.grid(alpha=0.25)
    axes.set_xlabel(x_title)
    axes.set_ylabel("mAP")
    return figure
