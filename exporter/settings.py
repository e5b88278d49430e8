"""The groups of a recipe that are plain values, not nodes: `input`, `export` and `proof`."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


class Settings(BaseModel):
    """Base of the groups that are plain values, not nodes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Input(Settings):
    """What the artifact takes. Sizes in pixels."""

    size: int
    height: int
    width: int
    batch: int | Literal["dynamic"]
    dtype: Literal["auto", "uint8", "float32", "float16"]
    layout: Literal["nchw", "nhwc"]
    channels: Literal["auto", "rgb", "bgr"]

    @field_validator("size", "height", "width")
    @classmethod
    def _multiple_of_the_largest_stride(cls, value: int) -> int:
        if value < 32 or value % 32:
            low = max(value // 32 * 32, 32)
            near = f"{low} or {low + 32}" if value > 32 else "32"
            raise ValueError(f"must be a multiple of 32 pixels, the network's largest stride: take {near}")
        return value

    @field_validator("batch")
    @classmethod
    def _at_least_one(cls, value: int | str) -> int | str:
        if isinstance(value, int) and value < 1:
            raise ValueError("must be at least 1, or dynamic")
        return value


class Export(Settings):
    """How the torch network becomes a graph."""

    opset: int = Field(ge=18, le=20)
    simplify: bool
    device: Literal["cpu", "cuda"]
    options: dict[str, Any]


class ProofSettings(Settings):
    """How the artifact is proved; `auto` takes the bound that the quantization states for itself."""

    num_images: int = Field(ge=1)
    num_scenes: int = Field(ge=0)
    max_score_error: float | Literal["auto"]
    max_box_error: float | Literal["auto"]
    mean_score_error: float | Literal["auto"]
    mean_box_error: float | Literal["auto"]
    max_map_drop: float | Literal["auto"]
