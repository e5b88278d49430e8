"""The recipe that a file is taken for, as a command line and as a file."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exporter.common.quoting import in_quotes


@dataclass(frozen=True)
class Taken:
    """head: a preset; preprocessing: the option that says what the network is fed, and its keys, None: the preset does;
    batch: what the file is fixed to, 1 else; keys: of `model.head` that are others than the preset's; cut: where the
    file ends, empty: it is whole."""

    head: str
    preprocessing: tuple[str, dict[str, Any]] | None
    weights: Path
    batch: int
    height: int
    width: int
    keys: dict[str, Any]
    cut: tuple[str, ...] = ()

    @property
    def overrides(self) -> list[str]:
        """Of a command line, with `weights` as they were given."""
        size = [f"input.size={self.height}"]
        if self.height != self.width:
            size = [f"input.height={self.height}", f"input.width={self.width}"]
        option, given = self.preprocessing or (None, {})
        fed = [f"preprocessing={option}"] if option else []
        fed += [f"preprocessing.{key}={_written(value)}" for key, value in given.items()]
        batch = [] if self.batch == 1 else [f"input.batch={self.batch}"]
        keys = [f"model.head.{key}={_written(value)}" for key, value in self.keys.items()]
        cut = [f"model.cut=[{','.join(map(in_quotes, self.cut))}]"] if self.cut else []
        network = ["model=onnx", f"model/head={self.head}", f"model.weights={self.weights}", *cut]
        return [*network, *fed, *batch, *size, *keys]

    def recipe(self, name: str) -> str:
        """The text of a recipe of that name."""
        option, given = self.preprocessing or (None, {})
        usual = "" if option else "; what it is fed is the usual of its head"
        lines = [
            "# @package _global_",
            f"# {self.weights.name}, as exporter inspect took it{usual}.",
            f"#   python -m exporter +recipe={name}",
            "defaults:",
            "  - override /model: onnx",
            f"  - override /model/head: {self.head}",
            *([f"  - override /preprocessing: {option}"] if option else []),
            "",
            "model:",
            f"  weights: {json.dumps(str(self.weights.resolve()))}",
            *([f"  cut: {_written(self.cut)}"] if self.cut else []),
            *(["  head:"] if self.keys else []),
            *(f"    {key}: {_written(value)}" for key, value in self.keys.items()),
            *(["preprocessing:"] if given else []),
            *(f"  {key}: {_written(value)}" for key, value in given.items()),
            "input:",
            *([] if self.batch == 1 else [f"  batch: {self.batch}"]),
            f"  height: {self.height}",
            f"  width: {self.width}",
        ]
        return "\n".join(lines) + "\n"


def _written(value: Any) -> str:
    """As Hydra's command line and YAML both read it."""
    return value if isinstance(value, str) else json.dumps(value)
