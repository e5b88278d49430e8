"""Objects of packages that are not installed, as a training loop pickles them."""

import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def pretended(*full_names: str, base: type | None = None) -> Iterator[list[type]]:
    """Classes of these names, such as `some.package.Class`, which take attributes as keywords, or are made as `base`
    is. Outside the block there are no such packages."""
    made = [type(name.rpartition(".")[2], (base,), {}) if base else _kept(name) for name in full_names]
    modules: dict[str, types.ModuleType] = {}
    for name, each in zip(full_names, made, strict=True):
        each.__module__ = module = name.rpartition(".")[0]
        parts = module.split(".")
        for end in range(1, len(parts) + 1):
            path = ".".join(parts[:end])
            modules.setdefault(path, types.ModuleType(path))
        setattr(modules[module], each.__name__, each)
    assert not modules.keys() & sys.modules.keys()
    sys.modules.update(modules)
    try:
        yield made
    finally:
        for path in modules:
            del sys.modules[path]


def _kept(name: str) -> type:
    def take(self: Any, **attributes: Any) -> None:
        self.__dict__.update(attributes)

    return type(name.rpartition(".")[2], (), {"__init__": take})
