"""What became of one run: written by the process that ran it, read by the one that started the sweep."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from exporter.common.files import write_whole


@dataclass(frozen=True)
class Outcome:
    """`folder` is relative to the sweep's; `reason`, one line, says why it failed; `seconds` is the whole run's;
    `constraint` is its `sweep.constraint`."""

    num: int
    overrides: list[str]
    folder: str
    state: Literal["done", "failed"]
    reason: str | None
    seconds: float
    constraint: str | None

    def write(self, runs: Path) -> None:
        """Into the sweep's folder of outcomes, in one step."""
        write_whole(runs / f"{self.num}.json", json.dumps(asdict(self)).encode())


def outcomes(runs: Path) -> Iterator[Outcome]:
    """Those that are there by now, by their number."""
    for path in sorted(runs.glob("*.json"), key=lambda path: int(path.stem)):
        yield Outcome(**json.loads(path.read_bytes()))
