"""`sweep.constraint`: what a run must hold to be recommended."""

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from exporter.common.messages import one_of
from exporter.config.sweep_metrics import NAMES, Metrics

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt,
}  # fmt: skip

_CLAUSE = re.compile(r"\s*(\w+)\s*(<=|>=|<|>)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*", re.ASCII)


@dataclass(frozen=True)
class Bound:
    """One clause of a constraint, as `drop<=0.5`."""

    name: str
    sign: str
    limit: float

    def holds(self, metrics: Metrics) -> bool:
        """Whether this metric was measured and is within the limit."""
        value = getattr(metrics, self.name)
        return value is not None and COMPARISONS[self.sign](value, self.limit)


def parse(text: str) -> tuple[Bound, ...]:
    """The clauses of "ratio<=0.6, size<=20": all of them must hold. Raises ValueError that says what is allowed."""
    bounds = []
    for clause in text.split(","):
        found = _CLAUSE.fullmatch(clause)
        if not found or math.isinf(float(found[3])):  # beyond what a metric can be
            raise ValueError(
                f"{clause.strip()!r} is not a bound: give NAME, one of {' '.join(COMPARISONS)}, and a number, as in"
                f" drop<=0.5; with a comma between several; names: {', '.join(NAMES)}"
            )
        name, sign, limit = found.groups()
        if name not in NAMES:
            raise ValueError(one_of(f"{name}: no such metric", name, NAMES))
        bounds.append(Bound(name, sign, float(limit)))
    return tuple(bounds)
