"""A user's own torch module, traced."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import torch
from torch import nn

from exporter.common.errors import RequestError
from exporter.common.messages import in_one_line
from exporter.common.user_code import failing
from exporter.graph.clean import strip_metadata
from exporter.graph.export_torch import export_torch
from exporter.graph.own_tensor import Tensor


class UserModule:
    """Its outputs are named after the keys of a dictionary or the fields of a named tuple, else `output`, or `output_0`
    and following for several."""

    def __init__(self, module: nn.Module, label: str):
        """label: what errors begin with."""
        self._module, self._label = module.cpu().eval().requires_grad_(False), label

    def run(self, inputs: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs of the module in torch. Raises RequestError where it fails, or gives no tensors."""
        given = ", ".join(f"{each.dtype} {list(each.shape)}" for each in inputs)
        with failing(f"{self._label}: fails on {given}"), torch.inference_mode():
            outputs = _by_name(self._module(*(torch.from_numpy(np.array(each)) for each in inputs)))
            return {name: tensor.numpy() for name, tensor in outputs.items()}

    def graph(self, inputs: Mapping[str, Tensor], opset: int) -> onnx.ModelProto:
        """The module as a graph. Raises RequestError where torch cannot trace it."""
        free = sorted({side for each in inputs.values() for side in each.shape if isinstance(side, str)})
        # Of different sizes, and none of them 1: torch.export takes a dimension of 1 for a constant.
        sizes = {side: 2 + 3 * i for i, side in enumerate(free)}
        examples = [
            torch.zeros(
                [side if isinstance(side, int) else sizes[side] for side in each.shape],
                dtype=getattr(torch, each.dtype),
            )
            for each in inputs.values()
        ]
        dims = {side: torch.export.Dim(side, min=1) for side in free}
        shapes = tuple({i: dims[side] for i, side in enumerate(t.shape) if side in dims} for t in inputs.values())
        outputs = list(self.run([example.numpy() for example in examples]))
        try:
            model = export_torch(self._module, examples, list(inputs), outputs, opset, shapes if free else None)
        except torch.onnx.OnnxExporterError as error:
            raise RequestError(
                f"{self._label}: torch cannot trace it: {in_one_line(error.__cause__ or error)}: write it with"
                " operations on tensors only, for any size that is dynamic"
            ) from error
        return strip_metadata(ir.to_proto(model))


def _by_name(given: Any) -> dict[str, torch.Tensor]:
    if isinstance(given, torch.Tensor):
        return {"output": given}
    if isinstance(given, Mapping):
        return {str(name): value for name, value in given.items()}
    names = getattr(given, "_fields", [f"output_{i}" for i in range(len(given))])
    return dict(zip(names, given, strict=True))
