"""A fuzzed test is two: a few cases in the default suite, always the same, and many in the slow one, other ones each time.

EXPORTER_FUZZ_SEED=N repeats a campaign; EXPORTER_FUZZ_TIMES=N makes it N times as long.
"""

import functools
import inspect
import os
from collections.abc import Callable, Sequence
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, given, settings

FIXED = 0
"""The seed of the few."""
SEED = int(os.environ.get("EXPORTER_FUZZ_SEED", "0"))
TIMES = float(os.environ.get("EXPORTER_FUZZ_TIMES", "1"))
SIZES = [pytest.param(False, id="few"), pytest.param(True, id="many", marks=pytest.mark.slow)]

ran: list[int] = []
"""A seed for each case that ran to its end since somebody last looked."""


def fuzz(few: int, many: int, examples: Sequence[dict[str, Any]] = (), **strategies: Any) -> Callable[..., Any]:
    """A test of so many cases. `strategies` give its arguments, the others are pytest's fixtures, which all cases of one
    run share; `examples`, cases that once failed, run first."""

    def decorate(body: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(body)
        def run(at_length: bool, **fixtures: Any) -> None:
            seed = SEED if at_length else FIXED

            def one(**drawn: Any) -> None:
                body(**drawn, **fixtures)
                ran.append(seed)

            one = given(**strategies)(one)
            for each in examples:
                one = hypothesis.example(**each)(one)
            one = settings(
                max_examples=round(many * TIMES) if at_length else few,
                deadline=None, database=None, print_blob=False,
                phases=[Phase.explicit, Phase.generate, Phase.shrink],
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
            )(one)  # fmt: skip
            hypothesis.seed(seed)(one)()

        parameters = [each for name, each in inspect.signature(body).parameters.items() if name not in strategies]
        size = inspect.Parameter("at_length", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        run.__signature__ = inspect.Signature([size, *parameters])  # where pytest looks for fixtures
        return pytest.mark.parametrize("at_length", SIZES)(run)

    return decorate
