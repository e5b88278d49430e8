"""Nested mappings as one level of dotted names."""

from collections.abc import Iterator, Mapping
from typing import Any


def flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """("a.b", value) for {"a": {"b": value}}; lists and empty mappings are values."""
    for key, value in values.items():
        name = f"{above}.{key}" if above else str(key)
        if isinstance(value, Mapping) and value:
            yield from flat(value, name)
        else:
            yield name, value
