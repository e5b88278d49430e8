"""The manifest's sections on what an artifact takes, and what an image goes through before."""

import math
from typing import Literal, Self

from pydantic import model_validator

from exporter.common.errors import RequestError
from exporter.common.geometry import MAX_PIXELS, Geometry
from exporter.common.section import Section
from exporter.preprocessing.own_normalization import AnyNormalization
from exporter.preprocessing.trained import Trained


class Allowed(Section):
    """What a free dimension may be: from `min` to `max` (null: no limit), a multiple of `multiple`. `nominal` is what
    it is evaluated and timed at, and what `predict` takes."""

    min: int
    max: int | None
    multiple: int
    nominal: int

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not (self.min >= 1 and self.multiple >= 1 and self.holds(self.nominal)):
            raise ValueError("min, max, multiple and nominal contradict each other")
        return self

    def __str__(self) -> str:
        steps = f", multiples of {self.multiple}" if self.multiple > 1 else ""
        return f"{self.min} {'or more' if self.max is None else f'to {self.max}'}{steps}"

    def holds(self, number: int) -> bool:
        return self.min <= number <= (number if self.max is None else self.max) and number % self.multiple == 0


class Input(Section):
    """The artifact's input. `layout` says what the dimensions are (hwc: one raw image), `allowed` what those may be
    that `shape` only names, `range` is that of the values."""

    name: str
    dtype: str
    shape: list[int | str]
    allowed: dict[str, Allowed]
    layout: Literal["nchw", "nhwc", "hwc"]
    channels: str
    range: tuple[float, float] | None

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        if self.dtype not in ("uint8", "float16", "float32") or len(self.shape) != len(self.layout):
            raise ValueError(f"dtype {self.dtype} and shape {self.shape} cannot be those of images in {self.layout}")
        if self.channels not in ("rgb", "bgr", "the network's own"):
            raise ValueError(f"channels is {self.channels!r}: must be rgb, bgr or the network's own")
        if any(isinstance(side, str) and side not in self.allowed for side in self.shape):
            raise ValueError(f"allowed does not say what the free dimensions of shape {self.shape} may be")
        if min(self.nominal_shape) < 1 or math.prod(self.nominal_shape) > 3 * MAX_PIXELS:
            raise ValueError(f"shape is {self.nominal_shape}: at most {MAX_PIXELS} pixels are taken")
        return self

    @property
    def nominal_shape(self) -> list[int]:
        """`shape` with the nominal numbers of its free dimensions."""
        return [self.allowed[side].nominal if isinstance(side, str) else side for side in self.shape]

    @property
    def batch_is_free(self) -> bool:
        """Whether a run may be of any number of images; a raw image [h, w, 3] is one by itself."""
        return self.layout != "hwc" and isinstance(self.shape[0], str)

    @property
    def nominal_batch(self) -> int:
        """Images in one run; a raw image is one by itself."""
        return 1 if self.layout == "hwc" else self.nominal_shape[0]

    @property
    def nominal_image(self) -> tuple[int, int]:
        """Height and width, in pixels."""
        height, width = (self.nominal_shape[self.layout.index(side)] for side in "hw")
        return height, width

    def check_image(self, height: int, width: int) -> None:
        """Raises RequestError for a size in pixels that the artifact does not take."""
        for name, given in (("height", height), ("width", width)):
            side = self.shape[self.layout.index(name[0])]
            takes = self.allowed[side] if isinstance(side, str) else side
            if not (takes.holds(given) if isinstance(takes, Allowed) else takes == given):
                raise RequestError(f"an image of {name} {given}: the artifact takes {takes}: give it such a one")


class PreprocessingSource(Section):
    """Who said how images are normalised, and how they are resized and padded: the `checkpoint`, the torch `network` in
    memory, the `recipe`, or nobody: the `model`'s usual was taken."""

    normalization: Literal["checkpoint", "network", "model", "recipe"]
    geometry: Literal["checkpoint", "network", "model", "recipe"]


class Preprocessing(Section):
    """From an image to the input. `normalization` is done inside the graph or, if not `inside_graph`, by the one who
    runs it; `geometry` (resize and padding) is done outside, before it. With `geometry_inside_graph` that too is
    inside, and boxes come out in the image's own pixels, clipped to it. `trained`: what the network was trained with,
    and who says so; `source`: where this comes from (both null in manifests of 0.1.0)."""

    name: str
    inside_graph: bool
    geometry_inside_graph: bool
    normalization: AnyNormalization | None
    geometry: Geometry | None
    source: PreprocessingSource | None = None
    trained: Trained | None = None

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        if self.geometry is not None and self.geometry.height * self.geometry.width > MAX_PIXELS:
            raise ValueError(f"geometry: at most {MAX_PIXELS} pixels are taken")
        return self
