"""`exporter store ls|gc|clear`: what builds keep for the next ones, and room for more."""

import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exporter.store.place import Store

USAGE = "ls|gc|clear"
SUMMARY = "what builds keep for the next ones"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("action", choices=["ls", "gc", "clear"], help="list it, make room, or remove all of it")
    parser.add_argument("--path", default="auto", help="as store.path (the user's cache directory)")
    parser.add_argument("--max-size", default="20 GB", help="gc: as store.max_size (20 GB)")


def run(given: Namespace) -> int:
    store = _opened(given.path, given.max_size)
    if given.action == "ls":
        for line in _entries(store):
            print(line)
    else:
        count, freed = store.collect(everything=given.action == "clear")
        print(f"{store.path}: {count} results removed, {_size(freed)}")
    return 0


def _opened(path: str, max_size: str) -> "Store":
    """The store of these keys of a recipe. Raises RequestError for what a recipe could not say either."""
    from pydantic import ValidationError

    from exporter.common.errors import RequestError
    from exporter.common.messages import validation_lines
    from exporter.config.settings import StoreSettings
    from exporter.store.place import Store

    try:
        settings = StoreSettings.model_validate({"path": path, "max_size": max_size})
    except ValidationError as error:
        raise RequestError("; ".join(validation_lines(error, "store"))) from error
    if settings.folder is None:
        raise RequestError("--path none: there is no store then: give its folder, or auto")
    return Store(settings.folder, settings.max_size, lambda line: print(line, file=sys.stderr))


def _entries(store: "Store") -> Iterator[str]:
    """A line for each result, the one longest unused first, and one for all."""
    entries = store.entries()
    for entry in entries:
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.used))
        size, seconds = _size(entry.bytes), f"{entry.seconds:.1f} s"
        yield f"{entry.key[:12]}  {used}  {size:>9}  {seconds:>9}  {entry.stage:<16} {entry.label}"
    yield f"{store.path}: {len(entries)} results, {_size(sum(entry.bytes for entry in entries))}"


def _size(number: int) -> str:
    return f"{number / 1e6:.1f} MB"
