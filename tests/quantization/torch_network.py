"""A small torch network of the contract, with its core, for engines that run inside the network; and what its outputs
become when its convolutions read integers, computed in torch."""

import copy
from functools import cache

import numpy as np
import onnx
import torch
from torch import nn

from exporter.graph.clean import simplify
from exporter.graph.trace import trace

SIZE = 32


class Tiny(nn.Module):
    """Stem, a convolution with a BatchNorm that nobody fused, a shortcut, an upsampling, a convolution that is used
    twice, one that is a function, two last convolutions."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.down = nn.Conv2d(8, 8, 3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.up = nn.ConvTranspose2d(8, 6, 2, 2)
        self.twice = nn.Conv2d(14, 14, 1)
        self.weight = nn.Parameter(torch.randn(8, 14, 1, 1) / 4)
        self.heads = nn.ModuleDict({"reg_pred": nn.Conv2d(8, 4, 1), "cls_pred": nn.Conv2d(8, 2, 1)})

    def forward(self, images):
        stem = self.stem(images).relu()
        up = self.up(self.norm(self.down(stem)).relu())
        joined = torch.cat([up, stem], dim=1)
        for _ in range(2):
            joined = joined + self.twice(joined).relu()
        features = nn.functional.conv2d(joined, self.weight).relu()
        boxes, classes = (self.heads[name](features).flatten(2).transpose(1, 2) for name in ("reg_pred", "cls_pred"))
        return boxes * 32, classes.sigmoid()


LAYERS = ["stem/Conv", "norm/Conv", "up/ConvTranspose", "twice/Conv", "twice/Conv_2"]
"""The convolutions that a quantizer inside the network can reach, but for the last ones. The exporter to ONNX calls
`down` with the folded BatchNorm after the latter."""
PATHS = ["stem", "down", "up", "twice", "twice"]
"""The modules that compute them."""
LEFT = ["network/Conv", "heads.reg_pred/Conv", "heads.cls_pred/Conv"]


@cache
def network() -> Tiny:
    torch.manual_seed(3)
    tiny = Tiny().eval()
    with torch.no_grad():
        tiny.norm.running_mean.uniform_(-0.3, 0.3)
        tiny.norm.running_var.uniform_(0.5, 2)
        tiny.norm.weight.uniform_(-2, 2)
    return tiny.requires_grad_(False)


@cache
def core() -> onnx.ModelProto:
    return simplify(trace(network(), None, SIZE, SIZE, 18))


def core_of_two() -> onnx.ModelProto:
    """The same for a batch of two."""
    fixed = onnx.ModelProto.FromString(core().SerializeToString())
    for value in (*fixed.graph.input, *fixed.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 2
    del fixed.graph.value_info[:]
    return fixed


def read_by(layers: set[str], images: list[np.ndarray]) -> dict[str, torch.Tensor]:
    """All that the modules of these paths read, by path."""
    observed, seen = copy.deepcopy(network()), {path: [] for path in layers}
    for path, values in seen.items():
        hook = lambda _, inputs, values=values: values.append(inputs[0].flatten())  # noqa: E731
        observed.get_submodule(path).register_forward_pre_hook(hook)
    for image in images:
        observed(torch.from_numpy(image))
    return {path: torch.cat(values) for path, values in seen.items()}


def on_integers(limits: dict[str, float], image: np.ndarray) -> list[np.ndarray]:
    """The outputs where the modules of these paths read and weigh with int8: inputs up to the limit, weights by output
    channel, after the BatchNorm went into them."""

    def rounded(values: torch.Tensor, limit: torch.Tensor) -> torch.Tensor:
        return torch.clamp(torch.round(values / (limit / 127)), -128, 127) * (limit / 127)

    changed = copy.deepcopy(network())
    changed.down = nn.utils.fusion.fuse_conv_bn_eval(changed.down, changed.norm)
    changed.norm = nn.Identity()
    for path, limit in limits.items():
        module = changed.get_submodule(path)
        others = [0, 2, 3] if isinstance(module, nn.ConvTranspose2d) else [1, 2, 3]
        module.weight.data = rounded(module.weight, module.weight.abs().amax(others, keepdim=True))
        hook = lambda _, inputs, limit=limit: rounded(inputs[0], torch.tensor(limit))  # noqa: E731
        module.register_forward_pre_hook(hook)
    return [output.numpy() for output in changed(torch.from_numpy(image))]
