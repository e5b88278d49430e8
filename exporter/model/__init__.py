"""The networks, their weights, and what the exporter knows of them.

Not here: how an image becomes the network's input (`preprocessing`), and what becomes of its outputs
(`postprocessing`).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import field_validator

from exporter.common.geometry import STRIDE
from exporter.common.node import Node
from exporter.common.options import lazily
from exporter.preprocessing.trained import Trained

if TYPE_CHECKING:
    from exporter.model.head import Head
    from exporter.model.loaded import LoadedModel, Loads
else:
    __getattr__ = lazily(__name__)


class ModelNode(Node, ABC):
    """Base of the networks that a recipe can name. class_names: in the order of the scores; "auto": as the weights
    say, else class_0, class_1, …; "coco" in a recipe: COCO's 80."""

    place: ClassVar[str] = "model"

    class_names: tuple[str, ...] | Literal["auto"]

    @field_validator("class_names", mode="before", json_schema_input_type=tuple[str, ...] | Literal["auto", "coco"])
    @classmethod
    def _cocos(cls, value: Any) -> Any:
        from exporter.model.coco_names import NAMES

        return NAMES if value == "coco" else value

    @property
    @abstractmethod
    def weights_given(self) -> str:
        """Where the weights come from, as the recipe has it: a path, or a word."""

    @property
    def own_nms(self) -> str | None:
        """The class of `exporter.postprocessing.nms` that "auto" stands for with it, None: no preference."""
        return None

    @property
    def own_opset(self) -> int | None:
        """The opset that it is written in, where it is a graph already; None where it is traced."""
        return None

    @property
    def declared(self) -> "Head | None":
        """What the network's outputs mean, where the recipe says so; None: boxes and scores of the contract."""
        return None

    @property
    def reads_bytes(self) -> bool:
        """Whether the network reads images of bytes, and normalizes them itself."""
        return False

    @property
    def size_multiple(self) -> int:
        """Pixels: what height and width of its input have to be multiples of."""
        return STRIDE

    def size_problems(self, dynamic: tuple[str, ...]) -> Iterator[str]:
        """Clauses for sides of the input ("height", "width") that cannot be dynamic."""
        yield from ()

    @property
    @abstractmethod
    def thresholds(self) -> tuple[float, float]:
        """Confidence and IoU, 0..1, that the NMS takes where neither the recipe nor the training says them."""

    @property
    def network_name(self) -> str:
        """What the manifest calls the network."""
        return "custom"

    def problems(self) -> Iterator[str]:
        """Clauses for what cannot be loaded, as far as that can be told without loading it."""
        yield from ()

    def usual(self) -> Trained:
        """What networks of its kind are trained with; by default nobody knows."""
        return Trained()

    def trained(self) -> Trained:
        """What these weights were trained with, where they say so; else `usual`. Raises RequestError for a file that
        cannot be read."""
        return self.usual()

    def is_quantized(self) -> bool:
        """Whether it computes on integers already. Raises RequestError for a file that cannot be read."""
        return False

    @property
    def source(self) -> "Loads":
        """What is loaded: the node itself, or those of its fields on which the loaded network depends."""
        return self

    @abstractmethod
    def load(self) -> "LoadedModel":
        """The network with its weights, ready to be traced. Raises RequestError where it cannot be had, or is not of
        the contract: images [B, 3, H, W] float32 → boxes [B, N, 4] xyxy in input pixels, scores [B, N, C] in 0..1."""
