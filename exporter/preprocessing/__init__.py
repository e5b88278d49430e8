"""From an image to the network's input: what happens inside the graph and what outside, in numbers.

Not here: reading image files and the arithmetic of resizing (`common`), and what becomes of boxes (`postprocessing`).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Protocol

from exporter.common.node import Node
from exporter.common.options import lazily

if TYPE_CHECKING:
    import onnx

    from exporter.common.geometry import Geometry
    from exporter.preprocessing.input import Input
    from exporter.preprocessing.normalization import Normalization
    from exporter.preprocessing.own_normalization import AnyNormalization
else:
    __getattr__ = lazily(__name__)


class Training(Protocol):
    """What a node asks of `exporter.preprocessing.trained.Trained`."""

    @property
    def preprocessing(self) -> "PreprocessingNode | None":
        """What the network was trained with, None where nobody knows."""
        ...

    def known(self) -> "PreprocessingNode | None":
        """The same. Raises RequestError where something is declared and cannot be taken."""
        ...

    def check_agreement(self, node: "PreprocessingNode", given: str) -> None:
        """Raises RequestError where whoever trained the network says something else; given: what chose the node."""
        ...


class PreprocessingNode(Node, ABC):
    """Base of the pre-processings. inside_graph: whether the artifact normalizes; takes_raw_images: whether resize and
    padding are inside too, so that it takes one image of any size."""

    place: ClassVar[str] = "preprocessing"
    inside_graph: ClassVar[bool] = True
    takes_raw_images: ClassVar[bool] = False

    @abstractmethod
    def resolved(self, trained: Training) -> "PreprocessingNode":
        """The node with "auto" replaced by what is known of the training. Raises RequestError where that is not enough,
        and where the recipe says something else than whoever trained the network."""

    @property
    def holds(self) -> bool:
        """Whether the recipe's own word on what the network is fed is what the artifact is proved with. Where not, it
        is proved with what is known of the training."""
        return True

    @property
    def normalization(self) -> "AnyNormalization | None":
        """What is done to the resized and padded image, RGB in 0..255; None where nobody knows."""
        return None

    def geometry(self, height: int, width: int) -> "Geometry | None":
        """How an image of any size becomes one of height × width pixels; None where nobody knows."""
        return None

    def in_front_of(self, core: "onnx.ModelProto") -> "tuple[onnx.ModelProto, Normalization]":
        """`core` behind what this node attaches to it by itself, and the normalization that is still to be attached to
        that. Asked only where it is inside the graph."""
        raise NotImplementedError

    def image_sizes(self, input: "Input") -> list[tuple[int, int]]:
        """Heights and widths of images that show all that the artifact takes, the nominal ones first."""
        return input.sizes_to_prove

    def problems(self, input: "Input", detects: bool) -> Iterator[str]:
        """Clauses for what does not go together with it; detects: whether there is an NMS."""
        yield from ()
