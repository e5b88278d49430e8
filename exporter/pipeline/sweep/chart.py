"""The picture of a sweep: accuracy against cost as inline SVG, each run a point, the Pareto front a line of steps.

Places are percentages of the picture, which is as wide as the page: points and words keep their size on a phone.
"""

import itertools
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from exporter.report.page.markup import text

LEFT, RIGHT, TOP, BOTTOM = 9.0, 96.0, 5.0, 88.0
"""Per cent of the picture: where the field of the points ends."""


@dataclass(frozen=True)
class Point:
    """A run: its number, its place in the units of the axes, and what it is in words."""

    num: int
    x: float
    y: float
    words: str


def scatter(points: Sequence[Point], front: Sequence[int], chosen: int | None, x_title: str, y_title: str) -> str:
    """The points, those of `front` (numbers, by x) joined, `chosen` ringed; nothing for no points."""
    if not points:
        return ""
    columns, lines = ticks([point.x for point in points]), ticks([point.y for point in points])

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - columns[0]) / (columns[-1] - columns[0])
        up = (y - lines[0]) / (lines[-1] - lines[0])
        return LEFT + across * (RIGHT - LEFT), BOTTOM - up * (BOTTOM - TOP)

    shapes = []
    for x in columns:
        across, _ = place(x, lines[0])
        shapes += [_line("grid", across, TOP, across, BOTTOM), _word(across, BOTTOM + 5, "middle", f"{x:g}")]
    for y in lines:
        _, down = place(columns[0], y)
        shapes += [_line("grid", LEFT, down, RIGHT, down), _word(LEFT - 1, down + 1, "end", f"{y:g}")]
    by_num = {point.num: place(point.x, point.y) for point in points}
    shapes += _steps([by_num[num] for num in front])
    shapes += _points(points, by_num, set(front), chosen)
    words = f"{y_title} against {x_title}; best: " + ", ".join(point.words for point in points if point.num in front)
    return (
        f'<p class="label">{text(y_title)}</p>\n<svg class="scatter" role="img" aria-label="{text(words)}">\n'
        + "\n".join(shapes)
        + f'\n</svg>\n<p class="label across">{text(x_title)}</p>'
    )


def _points(
    points: Sequence[Point], places: dict[int, tuple[float, float]], front: Collection[int], chosen: int | None
) -> Iterator[str]:
    for point in points:
        across, down = places[point.num]
        title = f"<title>{text(point.words)}</title>"
        if point.num == chosen:
            yield f'<circle class="ring" cx="{across:.2f}%" cy="{down:.2f}%" r="10"/>'
        kind = "front" if point.num in front else "beaten"
        yield f'<circle class="{kind}" cx="{across:.2f}%" cy="{down:.2f}%" r="5">{title}</circle>'
        yield f'<text x="{across:.2f}%" y="{down:.2f}%" dx="9" dy="{-6 if kind == "front" else 16}">{point.num}</text>'


def _steps(places: Sequence[tuple[float, float]]) -> Iterator[str]:
    """What can be had for each cost: level up to the next run of the front, then up to it."""
    for (x0, y0), (x1, y1) in itertools.pairwise(places):
        yield _line("step", x0, y0, x1, y0)
        yield _line("step", x1, y0, x1, y1)


def _line(kind: str, x0: float, y0: float, x1: float, y1: float) -> str:
    return f'<line class="{kind}" x1="{x0:.2f}%" y1="{y0:.2f}%" x2="{x1:.2f}%" y2="{y1:.2f}%"/>'


def _word(x: float, y: float, anchor: str, word: str) -> str:
    return f'<text class="tick-label" x="{x:.2f}%" y="{y:.2f}%" text-anchor="{anchor}">{text(word)}</text>'


def ticks(values: Sequence[float]) -> list[float]:
    """Four to eight round numbers at equal steps that have all the values between the first and the last of them."""
    low, high = min(values), max(values)
    spread = high - low or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(spread / 4))
    step = next(power * times for times in (1, 2, 5, 10) if power * times >= spread / 5)
    first, last = math.floor(low / step), math.ceil(high / step)
    if first == last:
        first, last = first - 1, last + 1
    return [round(i * step, 10) for i in range(first, last + 1)]
