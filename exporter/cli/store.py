"""`exporter store ls|gc|clear`: what is kept, and room for more."""

import sys
import time
from collections.abc import Iterator

from pydantic import ValidationError

from exporter.common.errors import RequestError
from exporter.common.messages import validation_lines
from exporter.config.settings import StoreSettings
from exporter.store.place import Store


def opened(path: str, max_size: str) -> Store:
    """The store of these keys of a recipe. Raises RequestError for what a recipe could not say either."""
    try:
        settings = StoreSettings.model_validate({"path": path, "max_size": max_size})
    except ValidationError as error:
        raise RequestError("; ".join(validation_lines(error, "store"))) from error
    if settings.folder is None:
        raise RequestError("--path none: there is no store then: give its folder, or auto")
    return Store(settings.folder, settings.max_size, lambda line: print(line, file=sys.stderr))


def list_entries(store: Store) -> Iterator[str]:
    """A line for each result, the one longest unused first, and one for all."""
    entries = store.entries()
    for entry in entries:
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.used))
        size, seconds = _size(entry.bytes), f"{entry.seconds:.1f} s"
        yield f"{entry.key[:12]}  {used}  {size:>9}  {seconds:>9}  {entry.stage:<16} {entry.label}"
    yield f"{store.path}: {len(entries)} results, {_size(sum(entry.bytes for entry in entries))}"


def collect(store: Store, everything: bool) -> str:
    """Removes what nobody needs, or everything; a line that says how much that was."""
    count, freed = store.collect(everything)
    return f"{store.path}: {count} results removed, {_size(freed)}"


def _size(number: int) -> str:
    return f"{number / 1e6:.1f} MB"
