"""The settings `proof`: what the artifact is proved on, and how far its metrics may be off."""

from typing import Annotated, Literal

from pydantic import Field

from exporter.common.node import Settings

MAX_LOOKED_AT = 32
"""Images that `blind` looks at."""

Bound = Annotated[float, Field(ge=0, allow_inf_nan=False)] | Literal["auto"]
"""What a metric may be at most. NaN and what is below 0 no metric could hold, and infinity would be no bound."""


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
