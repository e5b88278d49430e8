"""A line on standard error for each run as it ends, in whatever process or machine that was."""

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from exporter.common.progress import event
from exporter.pipeline.sweep.outcome import Outcome, outcomes
from exporter.pipeline.sweep.overrides import value_of

EVERY = 0.3  # seconds


@contextmanager
def told(runs: Path, overrides: Sequence[str]) -> Iterator[None]:
    """Prints while the block runs, and at its end what is left. `overrides` are the command's: what a run has beyond
    them is what it was run for."""
    over = threading.Event()

    def watch() -> None:
        known: set[int] = set()
        while True:
            last = over.wait(EVERY)
            for outcome in outcomes(runs):
                if outcome.num not in known:
                    known.add(outcome.num)
                    _say(outcome, overrides)
            if last:
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _say(outcome: Outcome, overrides: Sequence[str]) -> None:
    form = value_of(overrides, "progress.format")
    if form == "json":
        event("run", **asdict(outcome))
    elif form != "none":
        print(line(outcome, overrides), file=sys.stderr, flush=True)


def line(outcome: Outcome, overrides: Sequence[str]) -> str:
    """Number, overrides of its own, how it ended and how long it took."""
    own = (
        " ".join(override for override in outcome.overrides if override not in overrides) or "(no overrides of its own)"
    )
    how = f"failed: {outcome.reason}" if outcome.reason else "done"
    return f"[{outcome.num}] {own}  {outcome.seconds:.1f} s  {how}"
