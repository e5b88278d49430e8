"""A line on standard error for each run as it ends, in whatever process or machine that was."""

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from exporter.common.progress import event
from exporter.pipeline.sweep.outcome import Outcome, outcomes
from exporter.pipeline.sweep.words import value_of

EVERY = 0.3  # seconds


@contextmanager
def told(runs: Path, words: Sequence[str]) -> Iterator[None]:
    """Prints while the block runs, and at its end what is left. `words` are the command's: what a run has beyond them
    is what it was run for."""
    over = threading.Event()

    def watch() -> None:
        known: set[int] = set()
        while True:
            last = over.wait(EVERY)
            for outcome in outcomes(runs):
                if outcome.num not in known:
                    known.add(outcome.num)
                    _say(outcome, words)
            if last:
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _say(outcome: Outcome, words: Sequence[str]) -> None:
    form = value_of(words, "progress.format")
    if form == "json":
        event("run", **asdict(outcome))
    elif form != "none":
        print(line(outcome, words), file=sys.stderr, flush=True)


def line(outcome: Outcome, words: Sequence[str]) -> str:
    """Number, overrides of its own, how it ended and how long it took."""
    own = " ".join(word for word in outcome.overrides if word not in words) or "(no overrides of its own)"
    how = f"failed: {outcome.reason}" if outcome.reason else "done"
    return f"[{outcome.num}] {own}  {outcome.seconds:.1f} s  {how}"
