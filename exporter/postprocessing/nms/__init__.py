"""Non-maximum suppression: which of the network's boxes are detections. One node a file.

Not here: how detections leave the graph (`postprocessing/format`).
"""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from exporter.common.capabilities import Capabilities
from exporter.common.node import Node
from exporter.common.options import lazily
from exporter.postprocessing.parameters import NmsParameters

if TYPE_CHECKING:
    import onnx
else:
    __getattr__ = lazily(__name__)


class NmsNode(Node, ABC):
    """Base of what can stand behind the network. detects: whether it makes detections; where not, all boxes leave the
    graph, and no format is attached. only_for, instead: the backends that can run it, none: all, and what others take
    in its place. operator: the operator of ONNX that does the suppression, which an engine may not have; None: plain
    arithmetic."""

    place: ClassVar[str] = "postprocessing.nms"
    detects: ClassVar[bool] = True
    only_for: ClassVar[tuple[str, ...]] = ()
    instead: ClassVar[str] = "auto"
    operator: ClassVar[str | None] = None

    @property
    def capturable(self) -> bool:
        """Whether a CUDA graph can hold it: no control flow, and no shape that depends on the images."""
        return True

    @property
    def may_give_up(self) -> bool:
        """Whether it can leave an image without an answer; num_kept is then -1."""
        return False

    @property
    def parameters(self) -> NmsParameters | None:
        """What the plain reference computes with; None without detections. Raises ValueError while one is "auto"."""
        return None

    def resolved(self, confidence: float, overlap: float, backend: Capabilities, own: str | None) -> "NmsNode":
        """A copy with these thresholds, the model's, in place of "auto", and within the backend's limits. own: the
        class of this room that "auto" stands for, None: OnnxNms."""
        return self

    @abstractmethod
    def attach(self, core: "onnx.ModelProto") -> "onnx.ModelProto":
        """`core` (see `exporter.graph.trace` for its outputs) with kept_boxes [B, max, 4] float32 xyxy input pixels,
        kept_scores [B, max] float32, kept_classes [B, max] and num_kept [B, 1], best first; or, without detections,
        with final outputs of its own."""
