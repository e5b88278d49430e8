"""The building blocks of YOLO-NAS, some of PP-YOLOE too, under the names of the original state dict.

Every block that holds a BatchNorm or parallel branches is `Fusable`: one convolution computes the same function in
eval mode. `exporter.model.fuse` swaps all of them in a copy of a network.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_conv_bn_weights

Activation = Callable[[Tensor], Tensor]


def folded(conv: Any, bn: Any) -> nn.Conv2d:
    """A convolution that does what `conv` and then the BatchNorm `bn` do in eval mode."""
    return fuse_conv_bn_eval(conv, bn)


class Fusable(nn.Module):
    """Base of the blocks that one convolution can stand for."""

    def fused(self) -> nn.Module:
        """What computes the same in eval mode."""
        raise NotImplementedError


class ConvBN(Fusable):
    """Convolution without bias → BatchNorm → ReLU; 'same' padding for odd kernels at stride 1."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))

    def fused(self) -> nn.Module:
        return FusedConv(folded(self.conv, self.bn), "conv")


class SeqConvBN(Fusable):
    """The same as `ConvBN`, or with another activation; the originals keep its parts in a child named `seq`."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, activation: Activation = F.relu):
        super().__init__()
        self.seq = nn.Sequential()
        self.seq.add_module("conv", nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False))
        self.seq.add_module("bn", nn.BatchNorm2d(outputs))
        self._activation = activation

    def forward(self, x: Tensor) -> Tensor:
        return self._activation(self.seq(x))

    def fused(self) -> nn.Module:
        return FusedConv(folded(self.seq.conv, self.seq.bn), "conv", self._activation)


class QARepVGG(Fusable):
    """Quantization-aware RepVGG block (Chu et al. 2022, arXiv:2212.01593): y = relu(post_bn(bn(3×3) + 1×1 + x)).

    The identity branch exists where input and output have one shape. `rbr_reparam` takes part in no computation:
    the original network keeps it, unfused, in every checkpoint.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1):
        super().__init__()
        self.branch_3x3 = nn.Sequential()
        self.branch_3x3.add_module("conv", nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False))
        self.branch_3x3.add_module("bn", nn.BatchNorm2d(outputs))
        self.branch_1x1 = nn.Conv2d(inputs, outputs, 1, stride)
        self.post_bn = nn.BatchNorm2d(outputs)
        self.rbr_reparam = nn.Conv2d(inputs, outputs, 3, stride, 1)
        self.has_identity = inputs == outputs and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        y = self.branch_3x3(x) + self.branch_1x1(x)
        return F.relu(self.post_bn(y + x if self.has_identity else y))

    def fused(self) -> nn.Module:
        conv = folded(self.branch_3x3.conv, self.branch_3x3.bn)
        weight = conv.weight + F.pad(self.branch_1x1.weight, [1, 1, 1, 1])
        assert conv.bias is not None and self.branch_1x1.bias is not None  # both are built with one
        if self.has_identity:
            weight = weight + nn.init.dirac_(torch.empty_like(weight))
        post = self.post_bn
        assert post.running_mean is not None and post.running_var is not None  # BatchNorm2d tracks them by default
        conv.weight, conv.bias = fuse_conv_bn_weights(
            nn.Parameter(weight), conv.bias + self.branch_1x1.bias,
            post.running_mean, post.running_var, post.eps, post.weight, post.bias,
        )  # fmt: skip
        return FusedConv(conv, "rbr_reparam")


class FusedConv(nn.Module):
    """Convolution with bias → activation: what is left of a block. `name` is where the convolution stands below the
    block, so that layers keep their original paths in patterns and in the ONNX graph."""

    def __init__(self, conv: nn.Conv2d, name: str, activation: Activation = F.relu):
        super().__init__()
        self.add_module(name, conv)
        self._name, self._activation = name, activation

    def forward(self, x: Tensor) -> Tensor:
        return self._activation(self.get_submodule(self._name)(x))


class Bottleneck(nn.Module):
    """Two blocks and a shortcut scaled by a learned number: y = alpha·x + cv2(cv1(x))."""

    def __init__(self, cv1: nn.Module, cv2: nn.Module):
        super().__init__()
        self.cv1, self.cv2 = cv1, cv2
        self.alpha = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.alpha * x + self.cv2(self.cv1(x))


class CSPLayer(nn.Module):
    """Cross-stage partial layer. With `concat_intermediates` every bottleneck's output is kept, not only the last."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        hidden: int,
        depth: int,
        *,
        repvgg: bool = True,
        concat_intermediates: bool = False,
    ):
        super().__init__()

        def block() -> nn.Module:
            return QARepVGG(hidden, hidden) if repvgg else ConvBN(hidden, hidden, 3)

        self.conv1 = ConvBN(inputs, hidden, 1)
        self.conv2 = ConvBN(inputs, hidden, 1)
        self.conv3 = ConvBN(hidden * (2 + depth * concat_intermediates), outputs, 1)
        self.bottlenecks = nn.ModuleList(Bottleneck(block(), block()) for _ in range(depth))
        self.concat_intermediates = concat_intermediates

    def forward(self, x: Tensor) -> Tensor:
        kept = [self.conv1(x)]
        for bottleneck in self.bottlenecks:
            kept.append(bottleneck(kept[-1]))
        if not self.concat_intermediates:
            kept = kept[-1:]
        return self.conv3(torch.cat([*kept, self.conv2(x)], dim=1))


def pooled_pyramid(x: Tensor) -> Tensor:
    """[B, C, h, w] → [B, 4·C, h, w]: x and its maxima over windows of 5, 9 and 13 (a 5-window applied once, twice,
    thrice: the same maxima)."""
    pooled = [x]
    for _ in range(3):
        pooled.append(F.max_pool2d(pooled[-1], 5, stride=1, padding=2))
    return torch.cat(pooled, dim=1)


class SPP(nn.Module):
    """Spatial pyramid pooling between two convolutions."""

    def __init__(self, channels: int):
        super().__init__()
        self.cv1 = ConvBN(channels, channels // 2, 1)
        self.cv2 = ConvBN(channels // 2 * 4, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.cv2(pooled_pyramid(self.cv1(x)))
