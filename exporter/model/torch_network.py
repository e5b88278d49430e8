"""A torch network whose outputs a head describes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn

from exporter.common.errors import RequestError
from exporter.graph.trace import trace
from exporter.model.declared_network import DeclaredNetwork, Sizes
from exporter.model.head import Head
from exporter.model.head.operators import output_names
from exporter.model.probe import TRIED


class TorchNetwork(DeclaredNetwork):
    """What a torch module (eval mode, fused, on the CPU) computes.

    A head's `outputs` are keys, where the module gives a dictionary; else the tensors that it gives are read in their
    order, those inside of tuples and lists too, as many as the head reads."""

    def __init__(self, module: nn.Module, head: Head, label: str):
        """See `DeclaredNetwork`."""
        self._module = module
        super().__init__(head, label, len(_tensors(module(torch.zeros(1, 3, TRIED, TRIED)))), None, (None, None))

    def _graph(self, opset: int, sizes: Sizes, options: dict[str, Any] | None, device: str) -> onnx.ModelProto:
        """The module traced. Raises RequestError where it cannot be."""
        names = output_names(self._head.num_outputs)
        return trace(self._module, *sizes, opset, options, device, names, self._chosen)

    def _run(self, images: np.ndarray) -> list[np.ndarray]:
        with torch.no_grad():
            return [each.numpy() for each in self._chosen(self._module(torch.from_numpy(images)))]

    def _chosen(self, given: Any) -> tuple[torch.Tensor, ...]:
        head = self._head
        if isinstance(given, Mapping) and head.outputs != "auto":
            if missing := [name for name in head.outputs if name not in given]:
                there = ", ".join(map(str, given))
                raise RequestError(f"{self._label}: model.head.outputs names {', '.join(missing)}: it gives {there}")
            return tuple(given[name] for name in head.outputs)
        found = _tensors(given)
        if len(found) < head.num_outputs:
            raise RequestError(
                f"{self._label}: gives {len(found)} tensors, and model.head is read from {head.num_outputs}"
            )
        return tuple(found[: head.num_outputs])


def _tensors(given: Any) -> list[torch.Tensor]:
    """All of what a network gives, in its order."""
    if isinstance(given, torch.Tensor):
        return [given]
    inner = given.values() if isinstance(given, Mapping) else given if isinstance(given, tuple | list) else ()
    return [tensor for each in inner for tensor in _tensors(each)]
