"""YAML that somebody else wrote: bounded before anything is made of it."""

from pathlib import Path
from typing import Any

import yaml

from exporter.common.errors import RequestError
from exporter.common.files import TEXT_BYTES, check_file
from exporter.common.messages import explained

MAX_VALUES = 50_000
MAX_DEPTH = 50


def read_yaml_text(path: Path, label: str, fix: str) -> str:
    """The text of a YAML file that holds a mapping, or nothing. label: what the lines begin with; fix: what to do
    where it holds something else.

    Raises RequestError: no file, not UTF-8, not YAML, too large. What its aliases (`*name`) stand for counts as often
    as it is named: a few lines of them can be more than any memory holds."""
    check_file(path, f"give a YAML file of at most {TEXT_BYTES} bytes", TEXT_BYTES, label)
    with explained(label):
        text = path.read_bytes().decode("utf-8-sig", errors="strict")
        node = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        values, depth = _extent(node, {}) if node is not None else (0, 0)
    if node is not None and node.tag != "tag:yaml.org,2002:map":
        raise RequestError(f"{label}: not a mapping of keys to values: {fix}")
    if values > MAX_VALUES or depth > MAX_DEPTH:
        raise RequestError(
            f"{label}: {values} values, {depth} deep: at most {MAX_VALUES} values, {MAX_DEPTH} deep are read:"
            " simplify it"
        )
    return text


def _extent(node: Any, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """How many values the node stands for with all aliases written out, and how deep they lie."""
    if id(node) not in known:
        known[id(node)] = (MAX_VALUES + 1, 0)  # as long as it is not known: met again meanwhile, it holds itself
        inside: list[Any] = []
        if isinstance(node, yaml.MappingNode):
            inside = [each for pair in node.value for each in pair]
        elif isinstance(node, yaml.SequenceNode):
            inside = node.value
        extents = [_extent(each, known) for each in inside]
        values, depths = 1 + sum(count for count, _ in extents), [depth for _, depth in extents]
        known[id(node)] = values, 1 + max(depths, default=0)
    return known[id(node)]
