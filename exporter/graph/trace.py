"""A torch network → its core graph: pure, without pre-processing, post-processing or traces of the machine.

Input `images` float32 [B, 3, H, W], normalised as the network was trained. Outputs, all float32, either

- raw, where the network has `undecoded` (see `exporter.model.dfl`): `box_logits` [B, 4·bins, N], `class_logits`
  [B, C, N], `anchors` [N, 3], so that post-processing can cut to the best candidates before it decodes; or
- decoded, for any other network of the contract: `boxes` [B, N, 4] xyxy in input pixels, `scores` [B, N, C].

Nodes carry the path of the torch module they came from (`heads.head1.cls_pred/Conv`): quantization patterns match it.
"""

import copy
import json
import logging
import warnings
from collections import Counter
from typing import Any

import onnx
import onnx_ir as ir
import torch
from torch import nn

from exporter.errors import RequestError
from exporter.graph.clean import strip_metadata

RAW_OUTPUTS = ("box_logits", "class_logits", "anchors")
DECODED_OUTPUTS = ("boxes", "scores")


class _Undecoded(nn.Module):
    """`undecoded` as a forward, which is all that torch can trace. Scopes then begin with `network.`."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> Any:
        undecoded: Any = self.network.undecoded
        return undecoded(images)


class _Decoded(nn.Module):
    """The network itself, below the same scope `network.`."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> Any:
        return self.network(images)


def trace(
    network: nn.Module,
    batch: int | None,
    height: int,
    width: int,
    opset: int,
    options: dict[str, Any] | None = None,
    device: str = "cpu",
) -> onnx.ModelProto:
    """`network` (eval mode, fused) as a core graph. `batch` None makes the batch dimension dynamic (named "batch").

    torch runs on `device` (cpu or cuda) while it traces. `options` go to `torch.onnx.export` as they are. The same
    network gives the same bytes in every process.
    """
    raw = hasattr(network, "undecoded")
    if device != "cpu":
        if not torch.cuda.is_available():
            raise RequestError(f"export.device={device}: torch sees no CUDA device here: take cpu")
        network = copy.deepcopy(network).to(device)  # the proof runs the one it was given, on the CPU
    wrapped = (_Undecoded if raw else _Decoded)(network).eval()
    outputs = RAW_OUTPUTS if raw else DECODED_OUTPUTS
    # A batch of 1 would be taken for a constant by torch.export even where the dimension is declared dynamic.
    example = torch.zeros(batch or 2, 3, height, width, device=device)
    shapes = {"images": {0: torch.export.Dim("batch", min=1)}} if batch is None else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside torch's exporter, none of which a user can act on
        loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir", "torch.export")]
        levels = [logger.level for logger in loggers]
        try:
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            program = torch.onnx.export(
                wrapped, (example,), dynamo=True, verbose=False, opset_version=opset, dynamic_shapes=shapes,
                input_names=["images"], output_names=list(outputs), **(options or {}),
            )  # fmt: skip
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
    assert program is not None  # torch returns None only where it writes a file itself
    model = program.model
    _name_by_module(model)
    return strip_metadata(ir.to_proto(model))


def _name_by_module(model: ir.Model) -> None:
    """Names nodes and what they compute after the torch module they came from, weights after their parameter."""
    outputs = {value.name for value in model.graph.outputs}
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
            value.name = value.name.removeprefix("network.")
