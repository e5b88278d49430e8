"""The Pareto front against brute force, and which run is recommended."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.pipeline.sweep.choice import cost_of, pareto, recommended
from tests.pipeline.sweep.made import row

few = st.one_of(st.none(), st.integers(0, 4).map(float))


@given(st.lists(st.tuples(few, few), max_size=9))
def test_the_front_is_what_nobody_beats(metrics):
    rows = [row(i, map=score, latency=latency) for i, (score, latency) in enumerate(metrics)]
    rows.append(row(99, map=-1.0, latency=9.0))  # so that some run was timed
    known = [r for r in rows if r.figures.map is not None and r.figures.latency is not None]

    def beats(a, b):
        at_least = a.figures.map >= b.figures.map and a.figures.latency <= b.figures.latency
        return at_least and (a.figures.map, a.figures.latency) != (b.figures.map, b.figures.latency)

    front = pareto(rows)
    assert set(front) == {b.num for b in known if not any(beats(a, b) for a in known)}
    costs = [next(r for r in rows if r.num == num).figures.latency for num in front]
    assert costs == sorted(costs)


def test_size_stands_for_cost_where_nothing_was_timed():
    rows = [row(0, map=90.0, size=10.0), row(1, map=80.0, size=20.0)]
    assert (cost_of(rows), pareto(rows)) == ("size", [0])
    assert cost_of([*rows, row(2, latency=1.0)]) == "latency"


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        (None, None),
        ("drop<=0.5", 1),  # the fastest of 0 and 1
        ("drop<=0.1", 0),
        ("ratio<=0.8", 1),  # the most accurate of 1 and 2
        ("ratio<=0.4", 2),
        ("drop<=0.1, ratio<=0.4", None),
        ("drop<=9", 2),  # not 3, which failed, nor 4, which nobody measured
    ],
)
def test_the_recommended_run(constraint, expected):
    runs = [
        {"map": 90.0, "drop": 0.0, "latency": 20.0, "ratio": 1.0},
        {"map": 89.6, "drop": 0.4, "latency": 10.0, "ratio": 0.5},
        {"map": 85.0, "drop": 5.0, "latency": 6.0, "ratio": 0.3},
        {"map": 95.0, "drop": 0.0, "latency": 1.0, "ratio": 0.1, "state": "failed"},
        {"size": 1.0},
    ]
    assert recommended([row(i, constraint, **run) for i, run in enumerate(runs)]) == expected
