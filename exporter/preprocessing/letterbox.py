"""From the camera to the image's own pixels: resize and padding inside the graph, in front of the normalisation."""

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field

from exporter.common.errors import RequestError
from exporter.common.geometry import Geometry
from exporter.common.node import Node
from exporter.preprocessing.auto import with_geometry
from exporter.preprocessing.declared import Declared
from exporter.preprocessing.normalization import Normalization, Triple
from exporter.preprocessing.ppyoloe import PPYoloE
from exporter.preprocessing.trained import Trained, changed
from exporter.preprocessing.yolo_nas import YoloNas

KNOWN: dict[str, type[Declared]] = {"yolo_nas": YoloNas, "ppyoloe": PPYoloE, "declared": Declared}


class Letterbox(Node):
    """conf/preprocessing/letterbox.yaml says what the fields are; None: as `like` has it. `node` is all of that
    together, once it is resolved."""

    inside_graph: ClassVar[bool] = True

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

    def resolved(self, trained: Trained) -> "Letterbox":
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
            if known is None:
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

    def frame_sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Heights and widths of the frames that it is proved on. The first, of a camera's proportions and larger than
        the network's height × width (1280 × 720 for 640 × 640), is also that of figures and pictures; the others are
        the network's own size and a small frame that stands upright, whose width is rounded down at the usual sizes:
        that of the others is rounded up."""
        return [(height * 9 // 8, width * 2), (height, width), (height // 2 + 1, width // 3 - 1)]

    def problems(self, recipe: Any) -> Iterator[str]:
        """Clauses for what does not go together with a raw frame, from the recipe alone."""
        input = recipe.input
        if input.batch != 1:
            yield f"input.batch={input.batch}: preprocessing=letterbox takes one frame a run: leave it 1"
        if input.dtype not in ("auto", "uint8"):
            yield f"input.dtype={input.dtype}: preprocessing=letterbox takes a frame's bytes: leave it auto or uint8"
        if input.layout != "nchw":
            yield f"input.layout={input.layout}: preprocessing=letterbox takes [height, width, 3]: leave it out"
        if input.dynamic_sides:
            yield (
                f"input.{input.dynamic_sides[0]}=dynamic: preprocessing=letterbox takes frames of any size and brings"
                " them all to one: give that one, in pixels"
            )
        if not hasattr(recipe.nms, "max_predictions_per_image"):
            yield (
                "preprocessing=letterbox: gives detections in the frame's own pixels, and without the exporter's NMS"
                " inside there are none: choose postprocessing/nms=onnx or another preprocessing"
            )
