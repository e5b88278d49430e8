"""User code in front of the network, inside the graph: the seed case is a normalisation module."""

from functools import cached_property
from typing import TYPE_CHECKING, Literal

from exporter.common.geometry import Geometry
from exporter.common.user_code import UserCode
from exporter.preprocessing import PreprocessingNode, Training
from exporter.preprocessing.declared import Declared
from exporter.preprocessing.letterbox import KNOWN
from exporter.preprocessing.normalization import UNCHANGED, Normalization
from exporter.preprocessing.own_normalization import UserNormalization

if TYPE_CHECKING:
    import onnx

    from exporter.graph.user_code import UserGraphCode


TRIED = 64  # where a side may be any


class CustomPreprocessing(UserCode, PreprocessingNode):
    """The code that `target`, a torch module or an onnxscript function, is or gives for `arguments`. It gets float32
    [B, 3, H, W] RGB in 0..255, whatever dtype, layout and order of channels the artifact takes, and gives the network's
    own input of the same shape. conf/preprocessing/custom.yaml says what the other field is."""

    like: Literal["auto", "yolo_nas", "ppyoloe"]
    node: Declared | None = None  # whose geometry it has, once that is resolved

    def resolved(self, trained: Training) -> "CustomPreprocessing":
        """A copy with the `node` that `like` means; none where nothing is known."""
        node = trained.preprocessing if self.like == "auto" else KNOWN[self.like]()
        return self.model_copy(update={"node": node if isinstance(node, Declared) else None})

    @cached_property
    def _code(self) -> "UserGraphCode":
        from exporter.graph.user_code import user_code

        return user_code(self.target, self.arguments, self.label)

    @property
    def normalization(self) -> UserNormalization:
        """What it does to the resized and padded image. Raises RequestError where the code cannot be made."""
        own = UserNormalization(code=self.target)
        own._own = self._code
        return own

    def geometry(self, height: int, width: int) -> Geometry | None:
        """How an image of any size becomes one of height × width pixels, outside; None where nobody knows."""
        return self.node.geometry(height, width) if self.node else None

    def in_front_of(self, core: "onnx.ModelProto") -> "tuple[onnx.ModelProto, Normalization]":
        """`core` behind the code, which gets RGB in 0..255 as it is. Raises RequestError where the code cannot be a
        graph, or gives something else than `core` takes."""
        import numpy as np

        from exporter.graph import facts
        from exporter.graph.join import joined, scoped
        from exporter.graph.own_tensor import Tensor

        (value,) = core.graph.input
        shape = facts.tensor(value)["shape"]
        self.normalization.apply(np.zeros([side if isinstance(side, int) else TRIED for side in shape], np.uint8))
        front = self._code.graph({"images": Tensor("float32", tuple(shape))}, facts.opset(core))
        names = {"images": "images", front.graph.output[0].name: "preprocessing/own"}
        own = scoped(front, "preprocessing/own", names)
        return joined(own, core, {"preprocessing/own": value.name}), UNCHANGED
