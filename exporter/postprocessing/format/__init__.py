"""How detections leave the graph: the artifact's outputs. One node a file.

Not here: which boxes are detections (`postprocessing/nms`).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from exporter.common.node import Node
from exporter.common.options import lazily

if TYPE_CHECKING:
    import numpy as np
    import onnx

    from exporter.graph.user_code import UserGraphCode
    from exporter.postprocessing.detections import Detections
else:
    __getattr__ = lazily(__name__)


class Promise(NamedTuple):
    """An output: name, dtype, and shape, in which None stands for any side."""

    name: str
    dtype: str
    shape: tuple[int | str | None, ...]


class FormatNode(Node, ABC):
    """Base of the output formats. rows_by_image: whether the first dimension of each output is the batch; readable:
    whether `read` understands the outputs, so that they can be evaluated and shown; operator: one of ONNX that not
    every engine has; own_nms: the class of `exporter.postprocessing.nms` that "auto" stands for with it, None: no
    preference."""

    place: ClassVar[str] = "postprocessing.format"
    rows_by_image: ClassVar[bool] = True
    readable: ClassVar[bool] = True
    operator: ClassVar[str | None] = None
    own_nms: ClassVar[str | None] = None

    def promised(self, batch: int | str, limit: int, integers: str) -> list[Promise] | None:
        """The outputs in their order, for the proof; None: any. batch: its size, or its name where it is free; limit:
        the most detections of an image; integers: the dtype of counts and classes, "int64", of TensorRT's plugin
        "int32"."""
        return None

    @property
    def code(self) -> "UserGraphCode | None":
        """The user's code that the format is, which the proof runs by itself too; None for the exporter's formats."""
        return None

    @abstractmethod
    def attach(self, kept: "onnx.ModelProto") -> "onnx.ModelProto":
        """`kept` (what an NMS node gives) with its final outputs."""

    def read(self, outputs: "Mapping[str, np.ndarray]", batch: int) -> "list[Detections]":
        """The detections of each image of the batch, best first, from the outputs by name; asked only where they are
        `readable`. Raises ValueError or LookupError for what is not of the format."""
        from exporter.postprocessing.detections import rows

        return rows(outputs, batch)
