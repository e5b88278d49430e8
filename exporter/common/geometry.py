"""How an image of any size becomes a network's input, in numbers that a program can follow, and the code that does.

The manifest describes an artifact with these models, and `predict` and the calibration follow them: what the manifest
says is what is done.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from exporter.common.section import Section

if TYPE_CHECKING:
    import numpy as np

STRIDE = 32
"""Pixels: the largest stride of the networks, which their inputs' sides are multiples of."""
MAX_PIXELS = 2**27
"""Of all images of one run: beyond, a recipe asks for more memory than machines have, by mistake or not."""


class Resize(Section):
    """`fit`: r = min((H - margin) / h, (W - margin) / w), the new size is h·r × w·r rounded, at least 1 pixel a side.
    `stretch`: the new size is H × W. The interpolation has OpenCV's name and meaning."""

    mode: Literal["fit", "stretch"]
    margin: int = Field(default=0, ge=0, description="pixels, both sides together")
    rounding: Literal["half_to_even"] = "half_to_even"
    interpolation: Literal["INTER_LINEAR"] = "INTER_LINEAR"
    library: Literal["opencv"] = "opencv"


class Padding(Section):
    """`center`: (H - new_h) // 2 rows above and (W - new_w) // 2 columns to the left, the rest below and right.
    `bottom_right`: all of it below and right."""

    value: int = Field(ge=0, le=255, description="of each of the three channels")
    placement: Literal["center", "bottom_right"] = "center"


@dataclass(frozen=True)
class LetterboxTransform:
    """Where an image lies in the input: image x · scale_x + left = input x, all in pixels."""

    scale_x: float
    scale_y: float
    left: int
    top: int
    new_height: int
    new_width: int


class Geometry(Section):
    """From an image to an input of height × width pixels, and from boxes in the input back to the image."""

    height: int = Field(gt=0)
    width: int = Field(gt=0)
    resize: Resize
    padding: Padding | None

    @classmethod
    def fit(
        cls, height: int, width: int, *, margin: int, padding: int,
        placement: Literal["center", "bottom_right"] = "center",
    ) -> Self:  # fmt: skip
        """Keeps the image's proportions and pads what is left of the input with that grey."""
        resize = Resize(mode="fit", margin=margin)
        return cls(height=height, width=width, resize=resize, padding=Padding(value=padding, placement=placement))

    @classmethod
    def stretch(cls, height: int, width: int) -> Self:
        """Fills the input, whatever becomes of the image's proportions."""
        return cls(height=height, width=width, resize=Resize(mode="stretch"), padding=None)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if (self.resize.mode == "fit") != (self.padding is not None):
            raise ValueError("resize.mode 'fit' needs a padding, 'stretch' takes none (null)")
        if self.resize.margin and (self.resize.mode == "stretch" or self.resize.margin >= min(self.height, self.width)):
            raise ValueError(
                "resize.margin must be smaller than height and width, and 0 where resize.mode is 'stretch'"
            )
        return self

    def at(self, height: int, width: int) -> Self:
        """The same for an input of another size."""
        return type(self)(height=height, width=width, resize=self.resize, padding=self.padding)

    def transform(self, image_height: int, image_width: int) -> LetterboxTransform:
        """Where an image of that many pixels lies in the input. Raises ValueError for an image without pixels."""
        if image_height < 1 or image_width < 1:
            raise ValueError(f"an image of {image_height} x {image_width} pixels")
        height, width = self.height, self.width
        if self.resize.mode == "fit":
            margin = self.resize.margin
            r = min((height - margin) / image_height, (width - margin) / image_width)
            height, width = max(1, round(image_height * r)), max(1, round(image_width * r))
        centred = self.padding is None or self.padding.placement == "center"
        return LetterboxTransform(
            scale_x=width / image_width,
            scale_y=height / image_height,
            left=(self.width - width) // 2 if centred else 0,
            top=(self.height - height) // 2 if centred else 0,
            new_height=height,
            new_width=width,
        )

    def apply(self, image: "np.ndarray") -> "np.ndarray":
        """uint8 [h, w, 3] → uint8 [height, width, 3], the channels in the order they came."""
        import cv2

        at = self.transform(*image.shape[:2])
        resized = cv2.resize(image, (at.new_width, at.new_height), interpolation=cv2.INTER_LINEAR)
        if self.padding is None:
            return resized
        below, right = self.height - at.new_height - at.top, self.width - at.new_width - at.left
        grey = (self.padding.value,) * 3
        return cv2.copyMakeBorder(resized, at.top, below, at.left, right, cv2.BORDER_CONSTANT, value=grey)

    def to_input(self, boxes: "np.ndarray", transform: LetterboxTransform) -> "np.ndarray":
        """Boxes [n, 4] xyxy in pixels of an image → float32 [n, 4] in pixels of the input; see `to_image`."""
        import numpy as np

        offset, scale = _moves(transform)
        return (np.asarray(boxes, np.float64) * scale + offset).astype(np.float32)

    def to_image(
        self, boxes: "np.ndarray", transform: LetterboxTransform, image_height: int, image_width: int
    ) -> "np.ndarray":
        """Boxes [n, 4] xyxy in pixels of the input → float32 [n, 4] in pixels of the image, clipped to it.

        transform: what `transform` says for that image.
        """
        import numpy as np

        offset, scale = _moves(transform)
        moved = (np.asarray(boxes, np.float64) - offset) / scale
        return moved.clip(0, [image_width, image_height] * 2).astype(np.float32)


def _moves(transform: LetterboxTransform) -> "tuple[np.ndarray, np.ndarray]":
    """offset and scale, float64 [4] each, of the sides of a box."""
    import numpy as np

    return (
        np.array([transform.left, transform.top] * 2, np.float64),
        np.array([transform.scale_x, transform.scale_y] * 2, np.float64),
    )
