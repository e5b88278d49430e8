"""The settings `input`: what the artifact is to take."""

import math
from typing import Annotated, Any, Literal, Self

from pydantic import ValidationInfo, WithJsonSchema, field_validator, model_validator

from exporter.common.geometry import MAX_PIXELS, STRIDE
from exporter.common.node import Settings

Side = Annotated[
    int | Literal["dynamic"], WithJsonSchema({"anyOf": [{"type": "integer"}, {"enum": ["dynamic", "auto"]}]})
]
"""In a recipe also auto, in whose place the size of the training stands before it is checked."""

USUAL, SAID = "the network's largest stride", "model.head.size_multiple"
"""Who says what sizes have to be multiples of."""


def _multiple(value: int, stride: int, of: str = USUAL) -> int:
    if value < stride or value % stride:
        low = max(value // stride * stride, stride)
        near = f"{low} or {low + stride}" if value > stride else str(stride)
        raise ValueError(f"must be a multiple of {stride} pixels, {of}: take {near}")
    return value


def _whole(value: Any) -> int | None:
    """The whole number that it is, text included; None where it is none."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return int(number) if number.is_integer() and not isinstance(value, bool) else None


class Input(Settings):
    """What the artifact takes. Sizes in pixels; `min_size`, `nominal_size` and `max_size` are those of a side that is
    dynamic."""

    size: Side
    height: Side
    width: Side
    min_size: int
    nominal_size: int
    max_size: int
    batch: int | Literal["dynamic"]
    dtype: Literal["auto", "uint8", "float32", "float16"]
    layout: Literal["nchw", "nhwc"]
    channels: Literal["auto", "rgb", "bgr"]

    @field_validator("min_size", "nominal_size", "max_size")
    @classmethod
    def _multiple_of_the_usual_stride(cls, value: int) -> int:
        return _multiple(value, STRIDE)

    @field_validator("size", "height", "width", mode="before")
    @classmethod
    def _pixels_or_a_word(cls, value: object, info: ValidationInfo) -> int | str:
        if value == "dynamic" or (info.field_name != "size" and "size" not in info.data):
            return "dynamic"  # of a wrong `size`, which the sides usually are, nothing more is said
        if (pixels := _whole(value)) is None:
            raise ValueError("must be pixels, dynamic, or auto (the size that the weights are for)")
        return pixels

    @field_validator("size", "height", "width")
    @classmethod
    def _multiple_of_the_largest_stride(cls, value: int | str, info: ValidationInfo) -> int | str:
        """The network's own, which whoever checks the recipe gives as the context `multiple`, with `declared` where the
        recipe says it itself."""
        if isinstance(value, str):
            return value
        facts = info.context or {}
        return _multiple(value, facts.get("multiple", STRIDE), SAID if facts.get("declared") else USUAL)

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
