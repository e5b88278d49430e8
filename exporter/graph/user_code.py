"""User code in a graph: a torch module or an onnxscript function, made from the `_target_` in a recipe."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import onnx

from exporter.common.errors import RequestError
from exporter.common.user_code import failing, made
from exporter.graph.own_tensor import Tensor


class UserGraphCode(Protocol):
    """What both kinds do. They take tensors by position; `exporter.graph.user_module` says how outputs are named."""

    def run(self, inputs: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Its outputs by name, as it computes them by itself. Raises RequestError where it fails."""
        ...

    def graph(self, inputs: Mapping[str, Tensor], opset: int) -> onnx.ModelProto:
        """A model of that opset with these inputs, in their order. Raises RequestError where it cannot be one."""
        ...


def user_code(target: str, arguments: Mapping[str, Any], label: str) -> UserGraphCode:
    """What `target` is, or gives for `arguments`; an onnxscript function gets them as its attributes.

    label: what lines about it begin with. Raises RequestError where it cannot be made or is neither of the two."""
    from hydra.utils import get_object
    from onnxscript import OnnxFunction
    from torch import nn

    from exporter.graph.user_function import UserFunction
    from exporter.graph.user_module import UserModule

    with failing(f"{label}: cannot be made"):
        found = get_object(target)
    if isinstance(found, OnnxFunction):
        return UserFunction(found, dict(arguments), label)
    given = made(target, arguments, label)
    if isinstance(given, OnnxFunction):
        return UserFunction(given, {}, label)
    if not isinstance(given, nn.Module):
        kind = type(given).__name__
        raise RequestError(f"{label}: gives a {kind}: let it be a torch.nn.Module or an onnxscript function")
    return UserModule(given, label)
