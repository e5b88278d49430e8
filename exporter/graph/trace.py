"""A torch network → its core graph: pure, without pre-processing, post-processing or traces of the machine.

Input `images` float32 [B, 3, H, W], normalised as the network was trained. Outputs, all float32, either

- raw, where the network has `undecoded` (see `exporter.model.dfl`): `box_logits` [B, 4·bins, N], `class_logits`
  [B, C, N], `anchors` [N, 3], so that post-processing can cut to the best candidates before it decodes; or
- decoded, for any other network of the contract: `boxes` [B, N, 4] xyxy in input pixels, `scores` [B, N, C].

Nodes carry the path of the torch module they came from (`heads.head1.cls_pred/Conv`): quantization patterns match it.
"""

import copy
import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import onnx
import onnx_ir as ir
import torch
from torch import nn

from exporter.common.errors import RequestError
from exporter.common.geometry import STRIDE
from exporter.common.messages import in_one_line
from exporter.graph.clean import strip_metadata
from exporter.graph.core_outputs import DECODED_OUTPUTS, RAW_OUTPUTS
from exporter.graph.export_torch import export_torch
from exporter.graph.scopes import TENSORS


class _Undecoded(nn.Module):
    """`undecoded` as a forward, which is all that torch can trace. Scopes then begin with `network.`."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> Any:
        undecoded: Any = self.network.undecoded
        return undecoded(images)


class _Decoded(nn.Module):
    """The network itself, below the same scope `network.`, or `chosen` of what it gives."""

    def __init__(self, network: nn.Module, chosen: Callable[[Any], Any] | None = None):
        super().__init__()
        self.network, self.chosen = network, chosen

    def forward(self, images: torch.Tensor) -> Any:
        given = self.network(images)
        return self.chosen(given) if self.chosen else given


def trace(
    network: nn.Module,
    batch: int | None,
    height: int | None,
    width: int | None,
    opset: int,
    options: dict[str, Any] | None = None,
    device: str = "cpu",
    named: Sequence[str] | None = None,
    chosen: Callable[[Any], Any] | None = None,
) -> onnx.ModelProto:
    """`network` (eval mode, fused) as a core graph. None makes a dimension dynamic: "batch", and "height" and "width"
    for multiples of `STRIDE`; the number of boxes is then computed in the graph, and named "predictions".

    torch runs on `device` (cpu or cuda) while it traces. `options` go to `torch.onnx.export` as they are. named,
    chosen: of a network whose outputs mean something else, what they are called, and which tensors of all that it
    gives. The same network gives the same bytes in every process. Raises RequestError where a network cannot be traced
    with free sides.
    """
    raw = named is None and hasattr(network, "undecoded")
    if device != "cpu":
        if not torch.cuda.is_available():
            raise RequestError(f"export.device={device}: torch sees no CUDA device here: take cpu")
        network = copy.deepcopy(network).to(device)  # the proof runs the one it was given, on the CPU
    wrapped = (_Undecoded(network) if raw else _Decoded(network, chosen)).eval()
    outputs = named or (RAW_OUTPUTS if raw else DECODED_OUTPUTS)
    # torch.export takes a size of 1, and could take two that are equal, for constants even where they are dynamic.
    example = torch.zeros(batch or 2, 3, height or 2 * STRIDE, width or 3 * STRIDE, device=device)
    shapes = _dynamic_shapes(batch, height, width)
    try:
        model = export_torch(wrapped, [example], ["images"], outputs, opset, shapes, options)
    except torch.onnx.OnnxExporterError as error:
        reason = in_one_line(error.__cause__ or error)
        free = "" if height and width else "input.height, input.width: with dynamic sides "
        raise RequestError(f"{free}torch cannot trace this network: {reason}") from error
    _name_by_module(model)
    _name_dimensions(model, outputs)
    return strip_metadata(ir.to_proto(model))


def _dynamic_shapes(batch: int | None, height: int | None, width: int | None) -> dict[str, dict[int, Any]] | None:
    """What is dynamic of `images`, as torch.export wants to be told; None where nothing is."""
    dims: dict[int, Any] = {}
    if batch is None:
        dims[0] = torch.export.Dim("batch", min=1)
    for axis, side, name in ((2, height, "height"), (3, width, "width")):
        if side is None:
            dims[axis] = STRIDE * torch.export.Dim(f"{name}_cells", min=1)
    return {"images": dims} if dims else None


def _name_dimensions(model: ir.Model, outputs: Sequence[str]) -> None:
    """Plain names for dimensions that torch calls after its own symbols, in the input and in known outputs."""
    (images,) = model.graph.inputs
    assert images.shape is not None  # a traced input has a shape
    for axis, name in ((2, "height"), (3, "width")):
        if not isinstance(images.shape[axis], int):
            images.shape[axis] = name
    axes = {RAW_OUTPUTS: (2, 2, 0), DECODED_OUTPUTS: (1, 1)}.get(tuple(outputs), ())
    for value, axis in zip(model.graph.outputs, axes, strict=bool(axes)):
        if value.shape is not None and not isinstance(value.shape[axis], int):
            value.shape[axis] = "predictions"


def _name_by_module(model: ir.Model) -> None:
    """Names nodes and what they compute after the torch module they came from, weights after their parameter.

    A parameter at the network's top level may have the name of a tensor that is found by it: it keeps its scope."""
    outputs = {value.name for value in model.graph.outputs}
    taken = {"images", *RAW_OUTPUTS, *DECODED_OUTPUTS, *TENSORS}
    seen: Counter[str] = Counter()
    for node in model.graph:
        scopes = json.loads(node.metadata_props.get("pkg.torch.onnx.name_scopes", '[""]').replace("'", '"'))
        modules = [scope for scope in scopes[:-1] if scope.startswith("network.")]
        base = f"{modules[-1].removeprefix('network.') if modules else 'network'}/{node.op_type}"
        seen[base] += 1
        node.name = base if seen[base] == 1 else f"{base}_{seen[base]}"
        for i, value in enumerate(node.outputs):
            if value.name not in outputs:
                value.name = node.name if i == 0 else f"{node.name}:{i}"
    for value in list(model.graph.initializers.values()):
        if value.name and value.name.startswith("network."):
            name = value.name.removeprefix("network.")
            value.name = f"network/{name}" if name in taken else name
