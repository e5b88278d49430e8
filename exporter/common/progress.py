"""What long work says while it runs, on standard error: nothing, a line a stage, or a JSON object a line.

On a terminal: `exporter.common.terminal`."""

import contextlib
import json
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, TypeVar

T = TypeVar("T")
EVERY = 1.0  # seconds between two counts in JSON


class Progress:
    """Says nothing: the base of those that do."""

    def begin(self, name: str, output_dir: str) -> None:
        """What will be built, and where."""

    def end(self, lines: Iterable[str]) -> None:
        """What has been built."""

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Names what runs inside; a stage that fails has no time."""
        yield

    def line(self, name: str, state: str) -> None:
        """A stage that took no time, and why."""

    def warn(self, line: str) -> None:
        """A line that nobody should overlook."""

    def bar(self, items: Iterable[T], what: str, total: int) -> Iterable[T]:
        """The items, counted in each pass over them."""
        return items


class Lines(Progress):
    """A line a stage, as it ends."""

    def begin(self, name: str, output_dir: str) -> None:
        self._say(f"{name} → {output_dir}")

    def end(self, lines: Iterable[str]) -> None:
        for line in lines:
            print(line)  # on standard output: it is what was asked for

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self._say(f"  {name:<34}{time.perf_counter() - started:7.1f} s")

    def line(self, name: str, state: str) -> None:
        self._say(f"  {name:<34}{state:>9}")

    def warn(self, line: str) -> None:
        self._say(f"  !! {line}")

    def _say(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)


class JsonLines(Progress):
    """An object a line, for whoever collects logs: `time` (ISO 8601, UTC), `event` and what belongs to it.

    begin: name, output_dir. stage: name, state ("running", "done", "failed" or what `line` is given) and, once ended,
    seconds. count: name, done, total. warning: text. end: lines. run, of a sweep: what its `Outcome` has.
    """

    def begin(self, name: str, output_dir: str) -> None:
        event("begin", name=name, output_dir=output_dir)

    def end(self, lines: Iterable[str]) -> None:
        event("end", lines=list(lines))

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        event("stage", name=name, state="running")
        state = "failed"
        try:
            yield
            state = "done"
        finally:
            event("stage", name=name, state=state, seconds=round(time.perf_counter() - started, 3))

    def line(self, name: str, state: str) -> None:
        event("stage", name=name, state=state, seconds=0.0)

    def warn(self, line: str) -> None:
        event("warning", text=line)

    def bar(self, items: Iterable[T], what: str, total: int) -> Iterable[T]:
        return Counted(items, what, total)


class Counted(Iterable[T]):
    """Items that say how many of them are done, about every second."""

    def __init__(self, items: Iterable[T], what: str, total: int):
        self._items, self._what, self._total = items, what, total

    def __iter__(self) -> Iterator[T]:
        said = time.perf_counter()
        for done, item in enumerate(self._items, 1):
            yield item
            if time.perf_counter() - said > EVERY or done == self._total:
                said = time.perf_counter()
                event("count", name=self._what, done=done, total=self._total)


def event(event: str, **values: Any) -> None:
    """One of the lines that `JsonLines` writes."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    # In one piece, unlike `print`: a signal between a line and its end would put the last line behind this one.
    sys.stderr.write(json.dumps({"time": now, "event": event, **values}) + "\n")
    sys.stderr.flush()
