"""The groups of a recipe that are plain values, not nodes: `input`, `export`, `proof`, `store` and others."""

import math
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from exporter.common.files import user_path
from exporter.common.geometry import MAX_PIXELS, STRIDE
from exporter.common.messages import one_of
from exporter.common.progress import Form
from exporter.config.sweep_constraint import parse
from exporter.config.sweep_figures import NAMES

MAX_LOOKED_AT = 32
"""Images that `proof.blind` looks at."""
OPTIONS = (
    "do_constant_folding", "export_params", "fallback", "keep_initializers_as_inputs", "optimize", "verify"
)  # fmt: skip
"""Those of `torch.onnx.export` that neither write files nor are the exporter's own business."""


Bound = Annotated[float, Field(ge=0, allow_inf_nan=False)] | Literal["auto"]
"""What a figure may be at most. NaN and what is below 0 no figure could hold, and infinity would be no bound."""


class Settings(BaseModel):
    """Base of the groups that are plain values, not nodes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Input(Settings):
    """What the artifact takes. Sizes in pixels; `min_size`, `nominal_size` and `max_size` are those of a side that is
    dynamic."""

    size: int | Literal["dynamic"]
    height: int | Literal["dynamic"]
    width: int | Literal["dynamic"]
    min_size: int
    nominal_size: int
    max_size: int
    batch: int | Literal["dynamic"]
    dtype: Literal["auto", "uint8", "float32", "float16"]
    layout: Literal["nchw", "nhwc"]
    channels: Literal["auto", "rgb", "bgr"]

    @field_validator("size", "height", "width", "min_size", "nominal_size", "max_size")
    @classmethod
    def _multiple_of_the_largest_stride(cls, value: int | str) -> int | str:
        if isinstance(value, int) and (value < STRIDE or value % STRIDE):
            low = max(value // STRIDE * STRIDE, STRIDE)
            near = f"{low} or {low + STRIDE}" if value > STRIDE else str(STRIDE)
            raise ValueError(f"must be a multiple of {STRIDE} pixels, the network's largest stride: take {near}")
        return value

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.min_size <= self.nominal_size <= self.max_size:
            raise ValueError(
                f"nominal_size={self.nominal_size} must lie from min_size={self.min_size} to max_size={self.max_size}"
            )
        pixels = (1 if self.batch == "dynamic" else self.batch) * math.prod(
            self.max_size if side == "dynamic" else side for side in (self.height, self.width)
        )
        if pixels > MAX_PIXELS:
            raise ValueError(f"{pixels} pixels in one run, and at most {MAX_PIXELS} are taken: take fewer")
        return self

    @field_validator("batch")
    @classmethod
    def _at_least_one(cls, value: int | str) -> int | str:
        if isinstance(value, int) and value < 1:
            raise ValueError("must be at least 1, or dynamic")
        return value

    @property
    def fixed_batch(self) -> int | None:
        """The batch size, None where it is dynamic."""
        return None if self.batch == "dynamic" else self.batch

    @property
    def dynamic_sides(self) -> tuple[str, ...]:
        """Those of "height" and "width" that are dynamic."""
        return tuple(side for side in ("height", "width") if getattr(self, side) == "dynamic")

    @property
    def fixed(self) -> tuple[int | None, int | None]:
        """Height and width, None where they are dynamic."""
        height, width = (None if side == "dynamic" else side for side in (self.height, self.width))
        return height, width

    @property
    def nominal(self) -> tuple[int, int]:
        """Height and width that stand for all that the artifact takes: where they are fixed, the only ones."""
        height, width = (self.nominal_size if side == "dynamic" else side for side in (self.height, self.width))
        return height, width

    @property
    def sizes_to_prove(self) -> list[tuple[int, int]]:
        """Heights and widths that show the whole range, the nominal ones first: each dynamic side at both its ends, and
        where both are dynamic one at its least with the other at its most."""
        height, width = self.fixed
        ends = ((self.min_size, self.max_size), (self.max_size, self.min_size))
        return list(dict.fromkeys([self.nominal, *((height or high, width or wide) for high, wide in ends)]))


class Export(Settings):
    """How the torch network becomes a graph."""

    opset: int = Field(ge=18, le=20)
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


class ProofSettings(Settings):
    """How the artifact is proved; `auto` takes the bound that the quantization states for itself. The configuration of
    an older one has no `max_score_shift` and no `blind`."""

    num_images: int = Field(ge=1, le=100_000)
    num_scenes: int = Field(ge=0, le=100_000)
    max_score_error: Bound
    max_box_error: Bound
    mean_score_error: Bound
    mean_box_error: Bound
    max_map_drop: Bound
    max_score_shift: Bound = "auto"
    blind: Literal["auto", "error", "warn", "off"] = "auto"


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
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "exporter" / "store"


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
