"""The groups of a recipe that are plain values, not nodes, and belong to no other room: `export`, `store`, `progress`,
`sweep`."""

import math
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema, field_validator

from exporter.common.files import cache_folder, user_path
from exporter.common.messages import one_of
from exporter.common.node import Settings
from exporter.common.progress_form import Form
from exporter.config.sweep_constraint import parse
from exporter.config.sweep_metrics import NAMES

OPTIONS = (
    "do_constant_folding", "export_params", "fallback", "keep_initializers_as_inputs", "optimize", "verify"
)  # fmt: skip
"""Those of `torch.onnx.export` that neither write files nor are the exporter's own business."""


HIGHEST_OPSET = 20

Opset = Annotated[
    int,
    Field(ge=18, le=HIGHEST_OPSET),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 18, "maximum": HIGHEST_OPSET}, {"const": "auto"}]}),
]
"""In a recipe also auto, in whose place a number stands before it is checked."""


class Export(Settings):
    """How the torch network becomes a graph."""

    opset: Opset
    simplify: bool
    device: Literal["cpu", "cuda"]
    options: dict[str, Any]

    @field_validator("options")
    @classmethod
    def _harmless(cls, options: dict[str, Any]) -> dict[str, Any]:
        for name in options:
            if name not in OPTIONS:
                raise ValueError(one_of(f"{name} is not passed on", name, OPTIONS))
        return options


class StoreSettings(Settings):
    """Where results of stages are kept; it changes no artifact."""

    path: str = Field("auto", coerce_numbers_to_str=True)
    max_size: int = 20 * 10**9

    @field_validator("max_size", mode="before", json_schema_input_type=int | str)
    @classmethod
    def _in_bytes(cls, value: Any) -> Any:
        units = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
        found = re.fullmatch(r"(\d{1,18}(?:\.\d{1,18})?) *([KMGT]?B?)", str(value).strip(), re.IGNORECASE | re.ASCII)
        size = float(found[1]) * units.get(found[2].upper(), math.inf) if found else math.inf
        if size >= 2**63:
            raise ValueError("must be bytes, or a number and one of KB, MB, GB, TB, like 20 GB")
        return int(size)

    @property
    def folder(self) -> Path | None:
        """The store's own folder, None where nothing is kept."""
        if self.path == "none":
            return None
        if self.path != "auto":
            return user_path(self.path)
        return cache_folder("store")


class ProgressSettings(Settings):
    """What a build says while it works; it changes no artifact."""

    format: Form = "text"


class Sweep(Settings):
    """What a sweep is for; it changes no artifact, and the configuration of an older one does not have it."""

    constraint: str | None = None
    metric: str | None = None

    @field_validator("constraint")
    @classmethod
    def _bounds(cls, value: str | None) -> str | None:
        if value is not None:
            parse(value)
        return value

    @field_validator("metric")
    @classmethod
    def _names(cls, value: str | None) -> str | None:
        for name in (value or NAMES[0]).split(","):
            if name.strip() not in NAMES:
                raise ValueError(f"must be one of {', '.join(NAMES)}, or several with commas between them")
        return value

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names in `metric`, in its order."""
        return tuple(name.strip() for name in self.metric.split(",")) if self.metric else ()
