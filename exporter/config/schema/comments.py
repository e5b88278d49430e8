"""What the YAML files of conf/ say of themselves and of their keys, in their comments."""

import re
from dataclasses import dataclass
from pathlib import Path

KEY = re.compile(r"(\w+):(?:.*?\s#\s*(.*))?")


@dataclass(frozen=True)
class Comments:
    """`summary` is the comment that the file begins with, `keys` what stands beside or above a key. A comment above
    also holds for the keys after it, up to the next comment or empty line."""

    summary: str
    keys: dict[str, str]


def read_comments(path: Path) -> Comments:
    """Of the keys at the left margin; "" or no entry where nothing is said."""
    summary, keys = "", {}
    above: list[str] = []
    heads_file, grows = True, False
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            above = [*(above if grows else []), line.lstrip("# ")]
            grows = True
            continue
        if grows and heads_file:
            summary, above = " ".join(above), []
        heads_file, grows = False, False
        if not line:
            above = []
        elif found := KEY.match(line):
            key, beside = found.groups()
            above = [] if beside else above
            if text := beside or " ".join(above):
                keys[key] = text
    return Comments(summary, keys)
