"""One line a stage on standard error: what it does and how long it took."""

import contextlib
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


class Progress:
    """Prints stages as they end; on a terminal also while they run, with a bar where a stage counts."""

    def __init__(self, quiet: bool = False):
        self._quiet = quiet

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Names what runs inside; a stage that fails leaves its line without a time."""
        started = time.perf_counter()
        if sys.stderr.isatty() and not self._quiet:
            print(f"  {name} …", end="\r", file=sys.stderr, flush=True)
        yield
        if not self._quiet:
            print(f"  {name:<34}{time.perf_counter() - started:7.1f} s", file=sys.stderr, flush=True)

    def line(self, name: str, state: str) -> None:
        """A stage that took no time, and why."""
        if not self._quiet:
            print(f"  {name:<34}{state:>9}", file=sys.stderr, flush=True)

    def warn(self, line: str) -> None:
        """A line that nobody should overlook."""
        if not self._quiet:
            print(f"  !! {line}", file=sys.stderr, flush=True)

    def bar(self, items: Iterable[T], what: str, total: int) -> Iterable[T]:
        """The items, with a progress bar on a terminal in each pass over them."""
        return items if self._quiet or not sys.stderr.isatty() else _Bar(items, what, total)


@dataclass(frozen=True)
class _Bar(Iterable[T]):
    items: Iterable[T]
    what: str
    total: int

    def __iter__(self) -> Iterator[T]:
        from rich.console import Console
        from rich.progress import track

        console = Console(stderr=True)
        return iter(track(self.items, f"  {self.what}", total=self.total, console=console, transient=True))
