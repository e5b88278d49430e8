"""A sweep from its overrides to its summary: what the process does that starts it."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from exporter.common.errors import BuildError, RequestError
from exporter.common.interrupts import end
from exporter.common.messages import in_one_line
from exporter.pipeline.sweep.folder import sweeping_in
from exporter.pipeline.sweep.outcome import Outcome, outcomes
from exporter.pipeline.sweep.overrides import check_overrides, no_run, sweep_folder
from exporter.pipeline.sweep.page import write
from exporter.pipeline.sweep.summary import Summary, summarize
from exporter.pipeline.sweep.watch import told


def sweep(overrides: list[str], through_hydra: Callable[[Sequence[str]], None]) -> int:
    """Runs every combination and writes the summary, also of a sweep that was interrupted or has broken off: of the
    runs that have ended by then. Returns the exit code.

    through_hydra: has Hydra run the overrides. Raises RequestError for overrides that are wrong before any run begins.
    """
    check_overrides(overrides)
    folder = sweep_folder(overrides)
    placed = [override for override in overrides if not override.startswith("hydra.sweep.dir=")]
    placed.append("hydra.sweep.dir='" + str(folder).replace("'", "\\'") + "'")  # for workers that start elsewhere
    with sweeping_in(folder) as runs:
        ended = _ended(runs, overrides, lambda: through_hydra(placed))
        found = list(outcomes(runs))
        if not found:
            (folder / "multirun.yaml").unlink(missing_ok=True)  # Hydra writes it before it looks at the overrides
            raise _refused(ended) if ended else no_run(overrides)
        summary = summarize(folder, found, complete=ended is None)
        try:
            write(summary, folder)
        except OSError as error:
            raise BuildError(f"{folder}: {error.strerror}: the summary was not written; the runs are there") from error
    _tell(summary, folder, found)
    if isinstance(ended, KeyboardInterrupt):
        return end(ended, f"the {len(found)} runs that have ended stay")
    if ended:
        raise BuildError(f"the sweep broke off: {in_one_line(ended)}") from ended
    return 1 if any(outcome.reason for outcome in found) else 0


def _ended(runs: Path, overrides: Sequence[str], start: Callable[[], None]) -> BaseException | None:
    """Runs it all, and returns what ended it early."""
    try:
        with told(runs, overrides):
            start()
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - from a launcher, a worker that was killed, Ctrl-C
        return error
    return None


def _refused(error: BaseException) -> BaseException:
    """What a sweep ends with that no run began of: a line where it came out of a launcher, or of what it starts."""
    if isinstance(error, RequestError | BuildError | KeyboardInterrupt):
        return error
    broken = BuildError(f"the sweep did not begin: {in_one_line(error)}")
    broken.__cause__ = error
    return broken


def _tell(summary: Summary, folder: Path, found: Sequence[Outcome]) -> None:
    failed = sum(outcome.reason is not None for outcome in found)
    print(f"{len(found)} runs → {folder / 'summary.html'}")
    if summary.recommended is not None:
        (row,) = [row for row in summary.rows if row.num == summary.recommended]
        print(f"recommended: [{row.num}] {folder / row.folder}")
    elif any(row.constraint for row in summary.rows):
        print("recommended: none, no run holds sweep.constraint", file=sys.stderr)
    if failed:
        print(f"exporter: {failed} of {len(found)} runs failed", file=sys.stderr)
