"""A normalization that is a user's code."""

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import PrivateAttr

from exporter.common.errors import RequestError
from exporter.common.section import Section
from exporter.preprocessing.normalization import Normalization

if TYPE_CHECKING:
    import numpy as np


class UserNormalization(Section):
    """What user code does to an image; `code` is its `_target_`. In a build it can be applied; read from a
    manifest it is a name."""

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


AnyNormalization = Normalization | UserNormalization
