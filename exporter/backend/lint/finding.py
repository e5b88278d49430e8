"""What a rule is, and what it finds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from exporter.backend.lint.view import View

Level = Literal["error", "note"]
"""error: the engine refuses the file, or computes something else than ONNX says. note: worth knowing; not a fault."""


@dataclass(frozen=True)
class Source:
    """Where a rule is written down."""

    title: str
    url: str


@dataclass(frozen=True)
class Rule:
    """`check` yields, for each violation, the node (or value) and what is wrong with it."""

    id: str
    source: Source
    fix: str
    check: "Callable[[View], Iterator[tuple[str, str]]]"
    level: Level = "error"


@dataclass(frozen=True)
class Finding:
    """One violation of one rule. `source` and `url` name the document that the rule comes from."""

    level: Level
    node: str
    rule: str
    what: str
    source: str
    url: str
    fix: str

    def __str__(self) -> str:
        return f"{self.rule} at {self.node}: {self.what}; {self.fix} ({self.source})"
