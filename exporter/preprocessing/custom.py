"""A user's own code in front of the network, inside the graph: the seed case is a normalisation module."""

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, PrivateAttr

from exporter.common.errors import RequestError
from exporter.common.geometry import Geometry
from exporter.common.node import Node, own_code_identity
from exporter.preprocessing.declared import Declared
from exporter.preprocessing.letterbox import KNOWN
from exporter.preprocessing.trained import Trained

if TYPE_CHECKING:
    import numpy as np
    import onnx

    from exporter.graph.own_code import OwnCode


TRIED = 64  # where a side may be any


class OwnNormalization(BaseModel):
    """What a recipe's own code does to a picture; `code` is its `_target_`. In a build it can be applied; read from a
    manifest it is a name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input_range: ClassVar[None] = None  # what values it gives is not known

    code: str
    _own: Any = PrivateAttr(None)

    def apply(self, rgb: "np.ndarray") -> "np.ndarray":
        """uint8 or float [B, 3, H, W] RGB in 0..255 → float32 [B, 3, H, W], the network's own input.

        Raises RequestError where the code fails or gives something else."""
        import numpy as np

        if self._own is None:
            raise RequestError(f"normalization.code={self.code}: is not in the manifest: only a build can apply it")
        outputs = list(self._own.run([rgb.astype(np.float32)]).values())
        given = ", ".join(f"{each.dtype} {list(each.shape)}" for each in outputs)
        if len(outputs) != 1 or outputs[0].dtype != np.float32 or outputs[0].shape != rgb.shape:
            raise RequestError(
                f"preprocessing._target_={self.code}: gives {given} for float32 {list(rgb.shape)}: let it give one"
                " float32 tensor of the same shape"
            )
        return outputs[0]


class CustomPreprocessing(Node):
    """The code that `target`, a torch module or an onnxscript function, is or gives for `arguments`. It gets float32
    [B, 3, H, W] RGB in 0..255, whatever dtype, layout and order of channels the artifact takes, and gives the network's
    own input of the same shape. conf/preprocessing/custom.yaml says what the other field is."""

    inside_graph: ClassVar[bool] = True
    holds: ClassVar[bool] = True  # the user's code says what is right

    target: str
    arguments: dict[str, Any]
    like: Literal["auto", "yolo_nas", "ppyoloe"]
    digest: str | None = None
    node: Declared | None = None  # whose geometry it has, once that is resolved

    def identity(self) -> dict[str, Any]:
        """With the `digest` that the user gives for the code and what it reads."""
        return own_code_identity(self, "preprocessing")

    def resolved(self, trained: Trained) -> "CustomPreprocessing":
        """A copy with the `node` that `like` means; none where nothing is known."""
        node = trained.preprocessing if self.like == "auto" else KNOWN[self.like]()
        return self.model_copy(update={"node": node})

    @cached_property
    def _code(self) -> "OwnCode":
        from exporter.graph.own_code import own_code

        return own_code(self.target, self.arguments, "preprocessing")

    @property
    def normalization(self) -> OwnNormalization:
        """What it does to the resized and padded picture. Raises RequestError where the code cannot be made."""
        own = OwnNormalization(code=self.target)
        own._own = self._code
        return own

    def geometry(self, height: int, width: int) -> Geometry | None:
        """How a picture of any size becomes one of height × width pixels, outside; None where nobody knows."""
        return self.node.geometry(height, width) if self.node else None

    def attach(self, core: "onnx.ModelProto") -> "onnx.ModelProto":
        """`core` behind the code: its input `images` is then float32 [B, 3, H, W] RGB in 0..255. Raises RequestError
        where the code cannot be a graph, or gives something else than `core` takes."""
        import numpy as np

        from exporter.graph import facts
        from exporter.graph.join import joined, scoped
        from exporter.graph.own_code import Tensor

        (value,) = core.graph.input
        shape = facts.tensor(value)["shape"]
        self.normalization.apply(np.zeros([side if isinstance(side, int) else TRIED for side in shape], np.uint8))
        front = self._code.graph({"images": Tensor("float32", tuple(shape))}, facts.opset(core))
        names = {"images": "images", front.graph.output[0].name: "preprocessing/own"}
        return joined(scoped(front, "preprocessing/own", names), core, {"preprocessing/own": value.name})
