"""What a rule is, and what it finds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from exporter.backend.lint.view import View

Level = Literal["error", "note"]
"""error: the engine refuses the file, or computes something else than ONNX says. note: worth knowing; not a fault."""

Verdict = Literal["refused", "crashes", "silent", "taken", "not asked"]
"""What NVIDIA's own parser and compiler, of TensorRT-RTX 1.7, make of such a graph. silent: they build an engine that
computes something else, and do not stop; taken: they build it, against what is written down; not asked: it is about
plugins, about NonMaxSuppression or about running, which they do not have here. A test holds each rule against them."""


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
    parser: Verdict = "refused"


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
    parser: Verdict

    def __str__(self) -> str:
        return f"{self.rule} at {self.node}: {self.what}; {self.fix} ({self.source})"
