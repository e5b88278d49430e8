"""What the outputs of a network mean that was made elsewhere: `model.head` of a recipe, and how boxes and scores are
read from them, once in numpy and once in the graph.

Not here: how a file is read and judged (`exporter.model`), and what becomes of boxes and scores (`postprocessing`).
Letters: B images, N boxes, C classes, K numbers of a box, A anchors of a cell.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from exporter.common.errors import RequestError
from exporter.common.node import Settings
from exporter.preprocessing.declared import Declared

CORNERS = 4
FROM_A_POINT = ("distances", "pixel_distances", "dfl")
"""Decodings that start at a point of a cell."""
MAPS = ("maps", "split_maps")


class Head(Settings):
    """conf/model/head/boxes_scores.yaml says what the fields are; the other files there set them."""

    layout: Literal["split", "joined", "maps", "split_maps", "detections"] = "split"
    outputs: tuple[str, ...] | Literal["auto"] = "auto"
    columns: Literal["last", "first", "boxes_last", "classes_first"] = "last"
    boxes: Literal["xyxy", "yxyx", "xywh", "cxcywh"] = "xyxy"
    unit: Literal["pixels", "relative"] = "pixels"
    decoding: Literal["none", "yolox", "yolov5", "distances", "pixel_distances", "dfl"] = "none"
    objectness: bool = False
    activation: Literal["none", "sigmoid", "softmax"] = "none"
    background: Literal["none", "first", "last"] = "none"
    strides: tuple[int, ...] = ()
    anchors: tuple[tuple[tuple[float, float], ...], ...] = ()
    bins: int = Field(16, ge=2, le=256)
    origin: float = Field(0.5, ge=0, le=1)
    num_classes: int | None = Field(None, ge=1)
    classes: tuple[Annotated[int, Field(ge=0)], ...] = ()
    suppressed: bool = False
    size_multiple: int = Field(32, ge=1, le=1024)
    confidence_threshold: float = Field(0.25, ge=0, le=1)
    nms_threshold: float = Field(0.7, ge=0, le=1)
    preprocessing: dict[str, Any] | None = None

    @field_validator("preprocessing")
    @classmethod
    def _declared(cls, values: dict[str, Any] | None) -> dict[str, Any] | None:
        if values is not None:
            Declared.model_validate(values)
        return values

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        if wrong := next(chain(self._about_places(), self._about_columns()), None):
            raise ValueError(wrong)
        return self

    def _about_places(self) -> Iterator[str]:
        raw = self.decoding != "none"
        if raw and not self.strides:
            yield f"decoding={self.decoding} needs strides, those of the maps in their order: [8, 16, 32]"
        if self.layout in MAPS and not raw:
            yield (
                f"layout={self.layout} needs decoding (yolox, yolov5, distances, pixel_distances, dfl); what is decoded"
                " is joined or split"
            )
        if raw and (self.boxes != "xyxy" or self.unit != "pixels"):
            yield f"boxes, unit: have no effect with decoding={self.decoding}, which gives xyxy in pixels: leave them"
        if raw and self.layout == "detections":
            yield f"layout=detections: is decoded already: leave decoding={self.decoding} out"
        if self.anchors and self.decoding != "yolov5":
            yield "anchors: only decoding=yolov5 has them: leave them out"
        if self.decoding == "yolov5" and (
            len(self.anchors) != len(self.strides) or len({len(of_map) for of_map in self.anchors}) != 1
        ):
            yield "decoding=yolov5 needs anchors, as many (width, height) in pixels for each of the strides"
        if any(stride < 1 or (self.size_multiple % stride and stride % self.size_multiple) for stride in self.strides):
            yield (
                f"strides={list(self.strides)}: size_multiple={self.size_multiple} must be a multiple of each of them,"
                " or go into it"
            )
        if self.origin != 0.5 and self.decoding not in FROM_A_POINT:
            yield f"origin: only decoding={', '.join(FROM_A_POINT)} start at a point of a cell: leave it out"

    def _about_columns(self) -> Iterator[str]:
        if self.columns == "boxes_last" and self.layout != "split":
            yield f"columns=boxes_last: boxes and scores are two outputs in layout=split alone: layout={self.layout}"
        if self.columns == "classes_first" and self.layout not in ("joined", "maps"):
            yield f"columns=classes_first: classes and box are one output, joined or maps: layout={self.layout}"
        if self.columns == "classes_first" and (self.num_classes or self.objectness):
            yield "num_classes, objectness: with columns=classes_first all before the box is classes: leave them"
        if self.objectness and self.layout not in ("joined", *MAPS):
            yield f"objectness: stands between box and classes in layout=joined or maps: layout={self.layout} has none"
        if self.objectness and self.activation == "softmax":
            yield "objectness: is one number, and activation=softmax is over classes: take sigmoid or none"
        if self.layout == "detections" and (self.columns, self.activation, self.background) != ("last", "none", "none"):
            yield "columns, activation, background: have no effect with layout=detections: leave them out"
        if self.classes and self.layout == "detections":
            yield "classes: a detection holds the number of its class, and has no columns to choose from: leave it out"
        if len(set(self.classes)) < len(self.classes):
            yield "classes: has a number twice: name each class once"
        if self.num_classes and self.layout in ("split", "split_maps"):
            yield f"num_classes: layout={self.layout} says it by its shape: leave it out"

    @property
    def is_contract(self) -> bool:
        """Whether the outputs are boxes [B, N, 4] xyxy in pixels and scores [B, N, C] already."""
        said = (self.layout, self.columns, self.boxes, self.unit, self.decoding, self.activation, self.background)
        return said == ("split", "last", "xyxy", "pixels", "none", "none", "none") and not self.classes

    @property
    def is_uncounted(self) -> bool:
        """Whether neither it nor a shape says how many classes there are."""
        return self.layout == "detections" and self.num_classes is None

    def counted(self, classes: int | None) -> Self:
        """Itself; where no shape says how many classes there are, with that many, unless it says it itself. Raises
        RequestError where nobody does."""
        if not self.is_uncounted:
            return self
        if classes is None:
            raise RequestError(
                "model.head.num_classes: must be set: a detection holds the number of its class, and neither the file"
                " nor model.class_names says how many there are"
            )
        return self.model_copy(update={"num_classes": classes})

    def names_read(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Of the names of all columns those of `classes`; names of fewer columns are those of the classes already."""
        by_column = bool(self.classes) and max(self.classes) < len(names)
        return tuple(names[column] for column in self.classes) if by_column else names

    @property
    def box_columns(self) -> int:
        """How many numbers the place of a box takes."""
        return CORNERS * self.bins if self.decoding == "dfl" else CORNERS

    @property
    def num_outputs(self) -> int:
        """How many outputs it is read from."""
        of_maps = len(self.strides)
        return {"split": 2, "maps": of_maps, "split_maps": (2 + self.objectness) * of_maps}.get(self.layout, 1)

    @property
    def columns_axes(self) -> tuple[int, int]:
        """Which axis of an output of rank 3 the numbers of a box stand in: of what has its place, and of its scores."""
        return {"first": (1, 1), "boxes_last": (2, 1)}.get(self.columns, (2, 2))

    @property
    def num_read(self) -> int | None:
        """How many numbers behind the place of a box are read, None: all. Masks, keypoints or an angle may follow."""
        if self.num_classes is None or self.layout == "detections":
            return None
        return self.objectness + self.num_classes + (self.background != "none")

    @property
    def fed(self) -> Declared | None:
        """What the network is fed, where the head says so."""
        return None if self.preprocessing is None else Declared.model_validate(self.preprocessing)

    def num_cells(self, height: int, width: int) -> list[tuple[int, int]]:
        """Rows and columns of the map of each stride, for an input of that size: what is left over has a cell too."""
        return [(-(-height // stride), -(-width // stride)) for stride in self.strides]
