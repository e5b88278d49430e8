"""Records of a checkpoint as plain numbers, strings, lists and dictionaries, as far as they are few."""

import math
import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from exporter.common.errors import RequestError
from exporter.model.inert import Record

MAX_ITEMS = 100_000  # in all; the largest sets have 20,000 classes
MAX_TEXT = 1000  # characters of one string
MAX_NESTED = 50
MAX_INTEGER = 1 << 63
NUMBERS = re.compile(r"[biuf][1248]")  # as numpy writes the kinds of arrays that hold some


def plain(value: Any) -> Any:
    """None, bools, numbers, strings, lists (of tuples and sets too) and dictionaries.

    omegaconf's containers are their content, numpy's arrays flat lists of their numbers; an object of any other class
    is {its class's name: its attributes}. Raises RequestError for more than `MAX_ITEMS` values, strings longer than
    `MAX_TEXT`, and numbers that are not finite or that no program can use.
    """
    return _Plain().of(value, 0)


class _Plain:
    def __init__(self) -> None:
        self._count = 0

    def of(self, value: Any, nested: int) -> Any:
        self._count += 1
        if self._count > MAX_ITEMS:
            raise RequestError(f"holds more than {MAX_ITEMS} values")
        if nested > MAX_NESTED:
            raise RequestError(f"is nested more than {MAX_NESTED} deep")
        if isinstance(value, list | tuple | set):
            return [self.of(each, nested + 1) for each in value]
        if isinstance(value, dict):
            return self._dict(value.items(), nested)
        if isinstance(value, Record):
            return self._record(value, nested)
        return _single(value)

    def _dict(self, items: Iterable[tuple[Any, Any]], nested: int) -> dict[Any, Any]:
        made = {}
        for key, value in items:
            if not isinstance(key, str | int):
                raise RequestError(f"has a key that is a {type(key).__name__}")
            made[self.of(key, nested + 1)] = self.of(value, nested + 1)
        return made

    def _record(self, record: Record, nested: int) -> Any:
        name, fields = record.full_name, record.fields
        if name.startswith("omegaconf."):
            return self.of(fields.get("_content", fields.get("_val")), nested + 1)
        numbers = _numbers(record) if name.startswith("numpy.") else None
        if numbers is not None:
            return self.of(numbers, nested + 1)
        if record.filled == "dict":
            return self._dict(record.items, nested)
        if record.filled == "list":
            return self.of(record.items, nested + 1)
        return {name.rpartition(".")[2]: self.of(fields, nested + 1)}


def _single(value: Any) -> Any:
    if isinstance(value, str) and len(value) > MAX_TEXT:
        raise RequestError(f"holds a string of {len(value)} characters, more than {MAX_TEXT}")
    if isinstance(value, int | float):
        if not (math.isfinite(value) if isinstance(value, float) else abs(value) < MAX_INTEGER):
            raise RequestError("holds a number that is not finite, or too large")
    elif isinstance(value, type) and issubclass(value, Record):
        return value.full_name
    return value if isinstance(value, str | int | float | None) else type(value).__name__


def _numbers(record: Record) -> Any:
    """What numpy's scalar is, or the numbers of its array in a row; None for whatever else."""
    scalar = record.full_name.endswith(".scalar")
    try:
        dtype, data = record.arguments if scalar else record.state[2:5:2]  # version, shape, dtype, order, bytes
        if not NUMBERS.fullmatch(dtype.arguments[0]):
            return None
        array = np.frombuffer(data, np.dtype(dtype.arguments[0]).newbyteorder(dtype.state[1]))
        if array.size > MAX_ITEMS:
            raise RequestError(f"holds more than {MAX_ITEMS} values")
        return array.item() if scalar else array.tolist()
    except (AttributeError, TypeError, ValueError, LookupError):
        return None
