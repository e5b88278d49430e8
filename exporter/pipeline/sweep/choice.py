"""Which runs of a sweep are worth having: the Pareto front, and the one that is recommended."""

from collections.abc import Sequence

from exporter.config.sweep_constraint import Bound, parse
from exporter.pipeline.sweep.rows import Row


def cost_of(rows: Sequence[Row]) -> str:
    """The metric that accuracy is paid with: latency, or in a sweep without benchmarks the file's size."""
    return "latency" if any(row.figures.latency is not None for row in rows) else "size"


def pareto(rows: Sequence[Row]) -> list[int]:
    """The numbers of the runs that no other run beats: none has at least their mAP for at most their cost, and one of
    both better. The cheapest first."""
    cost = cost_of(rows)
    known = [(getattr(row.figures, cost), row.figures.map, row.num) for row in rows]
    points = sorted(
        ((paid, score, num) for paid, score, num in known if paid is not None and score is not None),
        key=lambda point: (point[0], -point[1], point[2]),
    )
    front: list[tuple[float, float, int]] = []
    for paid, score, num in points:
        if not front or score > front[-1][1] or (paid, score) == front[-1][:2]:
            front.append((paid, score, num))
    return [num for _, _, num in front]


def recommended(rows: Sequence[Row]) -> int | None:
    """The number of the run to take under its `sweep.constraint`; None without one, and where no run holds it.

    A constraint on accuracy (map, drop) leaves the cheapest of those that hold it, any other the most accurate; what
    is equal then is decided by the other of the two, and by the run's number.
    """
    cost = cost_of(rows)

    def order(row: Row) -> tuple[float, ...]:
        paid, score = getattr(row.figures, cost), row.figures.map
        keys = [float("inf") if paid is None else paid, float("inf") if score is None else -score]
        accuracy = {"map", "drop"} & {bound.name for bound in _bounds(row)}
        return (*(keys if accuracy else reversed(keys)), row.num)

    bounded = [row for row in rows if row.state == "done" and _bounds(row)]
    holding = [row for row in bounded if all(bound.holds(row.figures) for bound in _bounds(row))]
    return min(holding, key=order).num if holding else None


def _bounds(row: Row) -> tuple[Bound, ...]:
    return parse(row.constraint) if row.constraint else ()
