"""The class names that an ONNX file keeps in its metadata, as different tools write them."""

import ast
import json
import re
from collections.abc import Mapping
from typing import Any

from exporter.common.errors import RequestError

KEYS = ("class_names", "names", "classes")
"""The exporter's own, Ultralytics', others'; the first that is there counts."""
LONGEST = 1_000_000  # characters that are read

_TEXT = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
_ENTRY = rf"(?:(?:\d{{1,9}}|{_TEXT}) *: *)?{_TEXT}"
_FLAT = re.compile(rf"[\[{{] *{_ENTRY}(?: *, *{_ENTRY})* *,? *[\]}}]", re.DOTALL)
"""A Python list of texts, or a dict to texts, and nothing inside them that could be deep or large."""


def class_names(metadata: Mapping[str, str], label: str) -> tuple[str, ...] | None:
    """The names in a model's `metadata_props`, by number where they are numbered; None where there are none.

    Read as JSON or as Python's own notation of a list or a dict of texts; nothing is run. Raises RequestError where
    something else stands there."""
    for key in KEYS:
        if key in metadata and metadata[key].strip() not in ("", "{}", "[]"):
            names = _listed(_plain(metadata[key]))
            if names is None:
                raise RequestError(
                    f"{label}: what its metadata calls {key} is no list of class names: give them as"
                    " model.class_names=[…]"
                )
            return names
    return None


def _plain(text: str) -> Any:
    if len(text) > LONGEST:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text) if _FLAT.fullmatch(text.strip()) else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _listed(found: Any) -> tuple[str, ...] | None:
    if isinstance(found, dict):
        numbered = {str(key): name for key, name in found.items()}
        found = [numbered.get(str(number)) for number in range(len(numbered))]
    if not isinstance(found, list) or not found:
        return None
    return tuple(found) if all(isinstance(name, str) and name.isprintable() for name in found) else None
