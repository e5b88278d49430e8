"""`sweep.constraint`: what it may be, what holds it."""

import pytest

from exporter.config.sweep_constraint import Bound, parse
from exporter.config.sweep_metrics import Metrics


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("drop<=0.5", [("drop", "<=", 0.5)]),
        (" ratio <= .6 ,size<20", [("ratio", "<=", 0.6), ("size", "<", 20)]),
        ("map>=9e1,drop>-1", [("map", ">=", 90), ("drop", ">", -1)]),
    ],
)
def test_clauses(text, bounds):
    assert parse(text) == tuple(Bound(*bound) for bound in bounds)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not a bound"),
        ("drop", "as in drop<=0.5"),
        ("drop<=", "is not a bound"),
        ("drop<=0.5,", "is not a bound"),
        ("drop<=0.5 size<=3", "is not a bound"),
        ("drop==1", "one of <= >= < >"),
        ("drop<=nan", "is not a bound"),
        ("sise<=3", "did you mean size?"),
        ("__class__<=3", "no such metric"),
    ],
)
def test_what_is_no_constraint_is_one_clear_line(text, says):
    with pytest.raises(ValueError, match=r".") as error:
        parse(text)
    assert says in str(error.value) and "\n" not in str(error.value)


def test_a_metric_that_was_not_measured_holds_nothing():
    (bound,) = parse("ratio<=0.5")
    assert bound.holds(Metrics(ratio=0.5))
    assert not bound.holds(Metrics(ratio=0.51))
    assert not bound.holds(Metrics(drop=0.0))
