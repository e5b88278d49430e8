"""What a result comes from, as JSON, and its digest, which is the result's name in the store."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any

from pydantic import BaseModel

from exporter.common.flat import flat
from exporter.common.node import Node, UnknownOriginError

KeyInputs = dict[str, Any]
"""JSON-able: all that a result comes from."""


def digest(key_inputs: KeyInputs) -> str:
    """sha256 of a cache key's inputs, whatever their order."""
    return hashlib.sha256(json.dumps(key_inputs, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def identity(value: Any) -> Any:
    """What a value is, JSON-able. Raises UnknownOriginError where that cannot be told."""
    if isinstance(value, Mapping):
        return {str(key): identity(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [identity(item) for item in value]
    if isinstance(value, Node):
        return value.identity()
    if is_dataclass(value):
        return identity(vars(value))
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if value is not None and not isinstance(value, bool | int | float | str):
        raise UnknownOriginError(f"{type(value).__name__} has no digest")
    return value


def differences(old: KeyInputs, new: KeyInputs) -> list[str]:
    """What changed between the inputs of two cache keys, one clause each: the place and from what to what."""
    before, after = dict(flat(old)), dict(flat(new))
    return [
        f"{place}: {_short(before.get(place))} → {_short(after.get(place))}"
        for place in sorted(before.keys() | after.keys())
        if before.get(place) != after.get(place)
    ]


def _short(value: Any) -> str:
    text = "nothing" if value is None else value if isinstance(value, str) else json.dumps(value)
    is_digest = len(text) == 64 and all(sign in "0123456789abcdef" for sign in text)
    return f"{text[:12]}…" if is_digest else text if len(text) <= 60 else f"{text[:59]}…"
