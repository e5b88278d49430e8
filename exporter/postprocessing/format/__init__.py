"""How detections leave the graph: the artifact's outputs. One node a file.

Not here: which boxes are detections (`postprocessing/nms`).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from exporter.common.node import Node
from exporter.common.options import lazily

if TYPE_CHECKING:
    import numpy as np
    import onnx

    from exporter.graph.user_code import UserGraphCode
    from exporter.postprocessing.detections import AllBoxes, Detections
    from exporter.preprocessing import PreprocessingNode
    from exporter.preprocessing.input import Input
else:
    __getattr__ = lazily(__name__)


class Promise(NamedTuple):
    """An output: name, dtype, and shape, in which None stands for any side."""

    name: str
    dtype: str
    shape: tuple[int | str | None, ...]


class FormatNode(Node, ABC):
    """Base of the output formats. takes_detections, takes_all_boxes: what it can stand behind, an NMS or the network's
    boxes as they are; at least one. best_class_only: whether of all boxes each leaves with its best class alone.
    rows_by_image: whether the first dimension of each output is the batch; readable: whether `read` understands the
    outputs, so that they can be evaluated and shown; operator: one of ONNX that not every engine has; own_nms: the
    class of `exporter.postprocessing.nms` that "auto" stands for with it, None: no preference; meanings: of its
    outputs, by name, for the manifest."""

    place: ClassVar[str] = "postprocessing.format"
    takes_detections: ClassVar[bool] = True
    takes_all_boxes: ClassVar[bool] = False
    best_class_only: ClassVar[bool] = False
    rows_by_image: ClassVar[bool] = True
    readable: ClassVar[bool] = True
    operator: ClassVar[str | None] = None
    own_nms: ClassVar[str | None] = None
    meanings: ClassVar[Mapping[str, str]] = {}

    def problems(self, input: "Input", preprocessing: "PreprocessingNode") -> Iterator[str]:
        """Clauses for what does not go together with it."""
        yield from ()

    def properties(self, class_names: Sequence[str], height: int, width: int) -> dict[str, str]:
        """What the format's readers look for in the file's metadata, besides what every artifact says there. height,
        width: of the network's input, pixels."""
        return {}

    def promised(self, batch: int | str, limit: int | None, integers: str) -> list[Promise] | None:
        """The outputs in their order, for the proof; None: any. batch: its size, or its name where it is free; limit:
        the most detections of an image, None where all boxes leave the graph; integers: the dtype of counts and
        classes, "int64", of TensorRT's plugin "int32"."""
        return None

    @property
    def code(self) -> "UserGraphCode | None":
        """The user's code that the format is, which the proof runs by itself too; None for the exporter's formats."""
        return None

    @abstractmethod
    def attach(self, kept: "onnx.ModelProto") -> "onnx.ModelProto":
        """`kept` (what an NMS node gives, see `NmsNode.attach`) with its final outputs."""

    def read(self, outputs: "Mapping[str, np.ndarray]", batch: int) -> "list[Detections]":
        """The detections of each image of the batch, best first, from the outputs by name; asked only where they are
        `readable`. Raises ValueError or LookupError for what is not of the format."""
        from exporter.postprocessing.detections import rows

        return rows(outputs, batch)

    def read_boxes(self, outputs: "Mapping[str, np.ndarray]", batch: int) -> "list[AllBoxes]":
        """The boxes of each image of the batch, from the outputs by name; asked only where it `takes_all_boxes` and
        stands behind them. Raises ValueError or LookupError for what is not of the format."""
        raise NotImplementedError
