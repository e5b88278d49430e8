"""Progress on a terminal: what runs now, and below it how far it is."""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Rows

from exporter.common.progress import Lines

T = TypeVar("T")
EVERY = 0.1  # seconds between two drawings: no thread draws, which would disturb what is being timed


class Terminal(Lines):
    """How `Lines` are shown here: a row for each stage and count that is under way, one line a stage as they end."""

    def __init__(self) -> None:
        counted = map(_Counted, (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()))
        self._rows = Rows(
            TextColumn("{task.description}"), *counted,
            console=Console(stderr=True), transient=True, auto_refresh=False,
        )  # fmt: skip

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        with self._row(f"  {name} …", None):
            yield
        self._say(f"  {name:<34}{time.perf_counter() - started:7.1f} s")

    def bar(self, items: Iterable[T], what: str, total: int) -> Iterable[T]:
        return _Passes(items, lambda: self._row(f"    {what}", total))

    @contextlib.contextmanager
    def _row(self, text: str, total: int | None) -> Iterator[Callable[[], None]]:
        """Gives a function that counts one more."""
        if not self._rows.tasks:
            self._rows.start()
        row, drawn = self._rows.add_task(text, total=total), time.perf_counter()
        self._rows.refresh()

        def count() -> None:
            nonlocal drawn
            self._rows.advance(row)
            if time.perf_counter() - drawn > EVERY:
                drawn = time.perf_counter()
                self._rows.refresh()

        try:
            yield count
        finally:
            self._rows.remove_task(row)
            self._rows.refresh()
            if not self._rows.tasks:
                self._rows.stop()

    def _say(self, line: str) -> None:
        self._rows.console.print(line, markup=False, highlight=False, soft_wrap=True)


class _Passes(Iterable[T]):
    def __init__(self, items: Iterable[T], row: Callable[[], contextlib.AbstractContextManager[Callable[[], None]]]):
        self._items, self._row = items, row

    def __iter__(self) -> Iterator[T]:
        with self._row() as count:
            for item in self._items:
                yield item
                count()


class _Counted(ProgressColumn):
    """A column that is empty in rows that count nothing."""

    def __init__(self, column: ProgressColumn):
        super().__init__()
        self._column = column

    def render(self, task: Task) -> RenderableType:
        return self._column.render(task) if task.total is not None else ""
