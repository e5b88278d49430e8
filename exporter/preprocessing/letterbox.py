"""From the camera to the picture's own pixels: resize and padding inside the graph, in front of the normalisation."""

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from exporter.errors import RequestError
from exporter.geometry import Geometry
from exporter.node import Node
from exporter.preprocessing.normalization import Normalization
from exporter.preprocessing.ppyoloe import PPYoloE
from exporter.preprocessing.yolo_nas import YoloNas

Known = Literal["yolo_nas", "ppyoloe"]
KNOWN: dict[Known, YoloNas | PPYoloE] = {"yolo_nas": YoloNas(), "ppyoloe": PPYoloE()}


class Letterbox(Node):
    """conf/preprocessing/letterbox.yaml says what the field is."""

    inside_graph: ClassVar[bool] = True

    like: Known | Literal["auto"] = "auto"

    def resolved(self, trained_with: Any) -> "Letterbox":
        """A copy with the option of the node `trained_with` (None: not known) in place of "auto"."""
        if self.like != "auto":
            return self
        for name, node in KNOWN.items():
            if node == trained_with:
                return Letterbox(like=name)
        raise RequestError(
            "preprocessing=letterbox: how this network was trained is not known: say whose resize, padding and"
            f" normalisation it takes, preprocessing.like={' or '.join(KNOWN)}"
        )

    @property
    def normalization(self) -> Normalization:
        """What is done to the resized and padded picture."""
        return self._node.normalization

    def geometry(self, height: int, width: int) -> Geometry:
        """How a frame of any size becomes a picture of height × width pixels."""
        return self._node.geometry(height, width)

    @property
    def _node(self) -> YoloNas | PPYoloE:
        assert self.like != "auto"  # a checked recipe has it resolved
        return KNOWN[self.like]

    def frame_sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Heights and widths of the frames that it is proved on. The first, of a camera's proportions and larger than
        the network's height × width (1280 × 720 for 640 × 640), is also that of figures and pictures; the others are
        the network's own size and a small frame that stands upright."""
        return [(height * 9 // 8, width * 2), (height, width), (height // 2 + 1, width // 3 + 1)]

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
