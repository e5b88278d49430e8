"""From the camera to the image's own pixels: resize and padding inside the graph, in front of the normalisation."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from exporter.common.errors import RequestError
from exporter.common.geometry import Geometry
from exporter.preprocessing import PreprocessingNode, Training
from exporter.preprocessing.auto import with_geometry
from exporter.preprocessing.declared import Declared, changed
from exporter.preprocessing.input import Input
from exporter.preprocessing.normalization import Normalization, Triple
from exporter.preprocessing.ppyoloe import PPYoloE
from exporter.preprocessing.yolo_nas import YoloNas

if TYPE_CHECKING:
    import onnx

KNOWN: dict[str, type[Declared]] = {"yolo_nas": YoloNas, "ppyoloe": PPYoloE, "declared": Declared}


class Letterbox(PreprocessingNode):
    """conf/preprocessing/letterbox.yaml says what the fields are; None: as `like` has it. `node` is all of that
    together, once it is resolved."""

    takes_raw_images: ClassVar[bool] = True

    like: Literal["auto", "yolo_nas", "ppyoloe", "declared"] = "auto"
    max_value: float | None = None
    mean: Triple | None = None
    std: Triple | None = None
    channels: Literal["rgb", "bgr"] | None = None
    resize: Literal["letterbox", "longest_side", "stretch"] | None = None
    padding: Literal["center", "bottom_right"] | None = None
    pad_value: int | None = Field(None, ge=0, le=255)
    margin: int | None = Field(None, ge=0)
    override: bool = False
    node: Declared | None = None

    def resolved(self, trained: Training) -> "Letterbox":
        """A copy with its `node`. Raises RequestError where `auto` is not known, for a normalisation of its own beside
        a known one, and where the checkpoint says something else."""
        own = self.model_dump(include={"max_value", "mean", "std", "channels"}, exclude_none=True)
        if own and self.like != "declared":
            raise RequestError(
                f"preprocessing.{next(iter(own))}: has no effect with preprocessing.like={self.like}: leave it out, or"
                " take preprocessing.like=declared"
            )
        if self.like == "auto":
            known = trained.known()
            if not isinstance(known, Declared):
                raise RequestError(
                    "preprocessing=letterbox: how this network was trained is not known: say whose resize, padding and"
                    f" normalisation it takes, preprocessing.like={', '.join(KNOWN)}"
                )
            node = with_geometry(known, self)
        else:
            named = KNOWN[self.like]()
            node = with_geometry(changed(named, **own) if own else named, self)
            if not self.override:
                trained.check_agreement(node, f"preprocessing.like={self.like}")
        return self.model_copy(update={"node": node})

    @property
    def _resolved(self) -> Declared:
        assert self.node is not None  # a checked recipe has it resolved
        return self.node

    @property
    def holds(self) -> bool:
        """See `Declared.holds`."""
        return self.override or self._resolved.holds

    @property
    def normalization(self) -> Normalization:
        """What is done to the resized and padded image."""
        return self._resolved.normalization

    def geometry(self, height: int, width: int) -> Geometry:
        """How a raw image of any size becomes one of height × width pixels."""
        return self._resolved.geometry(height, width)

    def in_front_of(self, core: "onnx.ModelProto") -> "tuple[onnx.ModelProto, Normalization]":
        """As of the node that it stands for."""
        return self._resolved.in_front_of(core)

    def image_sizes(self, input: Input) -> list[tuple[int, int]]:
        """The first, of a camera's proportions and larger than the network's own size (1280 × 720 for 640 × 640), is
        also that of metrics and images; the others are the network's own size and a small image that stands upright,
        whose width is rounded down at the usual sizes: that of the others is rounded up."""
        height, width = input.nominal
        return [(height * 9 // 8, width * 2), (height, width), (height // 2 + 1, width // 3 - 1)]

    def problems(self, input: Input, detects: bool) -> Iterator[str]:
        """Clauses for what does not go together with a raw image."""
        yield from self._resolved.problems(input, detects)
        if input.batch != 1:
            yield f"input.batch={input.batch}: preprocessing=letterbox takes one raw image a run: leave it 1"
        if input.dtype not in ("auto", "uint8"):
            yield f"input.dtype={input.dtype}: preprocessing=letterbox takes an image's bytes: leave it auto or uint8"
        if input.layout != "nchw":
            yield f"input.layout={input.layout}: preprocessing=letterbox takes [height, width, 3]: leave it out"
        if input.dynamic_sides:
            yield (
                f"input.{input.dynamic_sides[0]}=dynamic: preprocessing=letterbox takes raw images of any size and"
                " brings them all to one: give that one, in pixels"
            )
        if not detects:
            yield (
                "preprocessing=letterbox: gives detections in the raw image's own pixels, and without the exporter's"
                " NMS inside there are none: choose another preprocessing, or postprocessing/nms=onnx"
                " postprocessing/format=batch"
            )
