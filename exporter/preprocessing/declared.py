"""Pre-processing declared in a few settings: what a network is fed, whoever trained it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, model_validator

from exporter.common.geometry import Geometry
from exporter.preprocessing import PreprocessingNode, Training
from exporter.preprocessing.input import Input
from exporter.preprocessing.normalization import Normalization, Triple, check_possible

if TYPE_CHECKING:
    import onnx


class Declared(PreprocessingNode):
    """Normalisation inside the graph: network channel c = (x[c] / max_value - mean[c]) / std[c], x in 0..255 in the
    network's order of channels. Resize and padding outside: `letterbox` and `longest_side` keep the proportions, r =
    min((H - margin) / h, (W - margin) / w), and pad what is left with `pad_value`; `stretch` fills the input.

    `override`: insists on this where the checkpoint says something else."""

    by_hand: ClassVar[bool] = True

    max_value: float = Field(255.0, gt=0, allow_inf_nan=False)
    mean: Triple = (0.0, 0.0, 0.0)
    std: Triple = (1.0, 1.0, 1.0)
    channels: Literal["rgb", "bgr"] = "rgb"
    resize: Literal["letterbox", "longest_side", "stretch"] = "letterbox"
    padding: Literal["center", "bottom_right"] = "center"
    pad_value: int = Field(114, ge=0, le=255)
    margin: int = Field(0, ge=0)
    override: bool = False

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        check_possible(*self._of_bytes)
        if self.margin and self.resize != "letterbox":
            raise ValueError(f"margin={self.margin} has no effect with resize={self.resize}: take letterbox, or 0")
        return self

    @property
    def holds(self) -> bool:
        """Whether the recipe's own word on what the network is fed is what it is proved with: declared by hand, or
        insisted on. A model's usual is not: it is proved with what is known of the training."""
        return self.by_hand or self.override

    @property
    def normalization(self) -> Normalization:
        """What is done to the resized and padded image, in 0..255."""
        mean, std = self._of_bytes
        return Normalization(order=(0, 1, 2) if self.channels == "rgb" else (2, 1, 0), mean=mean, std=std)

    @property
    def _of_bytes(self) -> tuple[Triple, Triple]:
        """Mean and deviation of values in 0..255."""
        (a, b, c), (d, e, f), m = self.mean, self.std, self.max_value
        return (a * m, b * m, c * m), (d * m, e * m, f * m)

    def geometry(self, height: int, width: int) -> Geometry:
        """How an image of any size becomes one of height × width pixels."""
        if self.resize == "stretch":
            return Geometry.stretch(height, width)
        return Geometry.fit(height, width, margin=self.margin, padding=self.pad_value, placement=self.padding)

    def problems(self, input: Input, detects: bool) -> Iterator[str]:
        """A clause for a margin that leaves nothing of the input."""
        height, width = (input.min_size if side == "dynamic" else side for side in (input.height, input.width))
        if self.margin >= min(height, width):
            yield (
                f"preprocessing.margin={self.margin}: an input of {width} × {height} pixels must be larger: take a"
                " smaller margin"
            )

    def in_front_of(self, core: "onnx.ModelProto") -> "tuple[onnx.ModelProto, Normalization]":
        """`core` as it is, and all of the normalization."""
        return core, self.normalization

    def resolved(self, trained: Training) -> "Declared":
        """Itself. Raises RequestError where the checkpoint says something else, unless `override` insists."""
        if not self.override:
            trained.check_agreement(self, f"preprocessing={self.name}")
        return self

    def __str__(self) -> str:
        n = self.normalization
        plain = not any(n.mean) and len(set(n.std)) == 1
        values = f"0..{255 / n.std[0]:g}" if plain else f"(x - {_listed(n.mean)}) / {_listed(n.std)}"
        if self.resize == "stretch":
            return f"{self.channels.upper()} {values}, stretched"
        margin = f", a margin of {self.margin} pixels" if self.margin else ""
        place = self.padding.replace("_", " ")
        return f"{self.channels.upper()} {values}, proportions kept, padding {place} with {self.pad_value}{margin}"


def changed(node: Declared, **fields: object) -> Declared:
    """A checked copy with other values; what has no effect with another `resize` goes back to none."""
    if fields.get("resize") in ("stretch", "longest_side"):
        fields = {"margin": 0, **fields}
    return type(node).model_validate(node.model_dump() | fields)


def of_bytes(node: Declared) -> Declared:
    """The same for a network that is fed bytes, 0..255: what else is done to them stands inside of it."""
    return changed(node, max_value=1.0, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


def _listed(values: Triple) -> str:
    return "[" + ", ".join(f"{value:g}" for value in values) + "]"
