"""PP-YOLOE S, M, L and X (Xu et al. 2022, arXiv:2203.16250), under the names of the SuperGradients state dict.

Facts of the architecture were read from the published networks; `tests/model` proves that this is the same function.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from exporter.model.blocks import Fusable, FusedConv, SeqConvBN, folded, pooled_pyramid
from exporter.model.dfl import NUM_BINS, DflDetector


@dataclass(frozen=True)
class Size:
    """What differs between the sizes: factors of the channels and of the number of blocks."""

    width: float
    depth: float

    def channels(self, *full: int) -> list[int]:
        """How many there are of `full` channels at this size."""
        return [round(self.width * count) for count in full]

    def blocks(self, full: int) -> int:
        """How many there are of `full` blocks at this size."""
        return round(self.depth * full)


SIZES = {"s": Size(0.50, 0.33), "m": Size(0.75, 0.67), "l": Size(1.0, 1.0), "x": Size(1.25, 1.33)}
STEM, BACKBONE, BACKBONE_DEPTH = 64, (128, 256, 512, 1024), (3, 6, 6, 3)
NECK, NECK_DEPTH = (768, 384, 192), 3  # the neck and the head go from the deep map to the shallow one


def conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1) -> SeqConvBN:
    """Convolution → BatchNorm → SiLU."""
    return SeqConvBN(inputs, outputs, kernel, stride, F.silu)


class RepVGG(Fusable):
    """RepVGG block (Ding et al. 2021, arXiv:2101.03697) without its identity branch: y = silu(bn(3×3) + bn(1×1))."""

    def __init__(self, channels: int):
        super().__init__()
        self.branch_3x3, self.branch_1x1 = nn.Sequential(), nn.Sequential()
        for branch, kernel in ((self.branch_3x3, 3), (self.branch_1x1, 1)):
            branch.add_module("conv", nn.Conv2d(channels, channels, kernel, padding=kernel // 2, bias=False))
            branch.add_module("bn", nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(self.branch_3x3(x) + self.branch_1x1(x))

    def fused(self) -> nn.Module:
        conv, point = (folded(branch.conv, branch.bn) for branch in (self.branch_3x3, self.branch_1x1))
        assert conv.bias is not None and point.bias is not None  # what folding a BatchNorm leaves
        conv.weight = nn.Parameter(conv.weight + F.pad(point.weight, [1, 1, 1, 1]))
        conv.bias = nn.Parameter(conv.bias + point.bias)
        return FusedConv(conv, "rbr_reparam", F.silu)


class BasicBlock(nn.Module):
    """Two 3×3 convolutions, with a shortcut in the backbone and without one in the neck."""

    def __init__(self, channels: int, shortcut: bool):
        super().__init__()
        self.conv1 = conv_bn(channels, channels, 3)
        self.conv2 = RepVGG(channels)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(self.conv1(x))
        return x + y if self.shortcut else y


class EffectiveSE(nn.Module):
    """Effective squeeze and excitation (Lee and Park 2020, arXiv:1911.06667): the mean over the map gates the map."""

    def __init__(self, channels: int):
        super().__init__()
        self.project = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * F.hardsigmoid(self.project(x.mean((2, 3), keepdim=True)))


class Stage(nn.Module):
    """Halves the image and goes through a cross-stage partial layer with attention."""

    def __init__(self, inputs: int, outputs: int, depth: int):
        super().__init__()
        half = (inputs + outputs) // 4
        self.conv_down = conv_bn(inputs, 2 * half, 3, stride=2)
        self.conv1 = conv_bn(2 * half, half, 1)
        self.conv2 = conv_bn(2 * half, half, 1)
        self.blocks = nn.Sequential(*(BasicBlock(half, shortcut=True) for _ in range(depth)))
        self.attn = EffectiveSE(2 * half)
        self.conv3 = conv_bn(2 * half, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_down(x)
        return self.conv3(self.attn(torch.cat([self.conv1(x), self.blocks(self.conv2(x))], dim=1)))


class Backbone(nn.Module):
    """CSPResNet: [B, 3, H, W] → features at strides 8, 16, 32."""

    def __init__(self, size: Size):
        super().__init__()
        stem, *stages = size.channels(STEM, *BACKBONE)
        self.stem = nn.Sequential()
        self.stem.add_module("conv1", conv_bn(3, stem // 2, 3, stride=2))
        self.stem.add_module("conv2", conv_bn(stem // 2, stem // 2, 3))
        self.stem.add_module("conv3", conv_bn(stem // 2, stem, 3))
        widths = zip([stem, *stages], stages, BACKBONE_DEPTH, strict=False)
        self.stages = nn.ModuleList(Stage(inputs, outputs, size.blocks(depth)) for inputs, outputs, depth in widths)

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = [self.stem(x)]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps[2:]


class SPP(nn.Module):
    """Spatial pyramid pooling and a convolution back to as many channels as came."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = conv_bn(4 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(pooled_pyramid(x))


class NeckStage(nn.Module):
    """A cross-stage partial layer, with `spp` half way through its blocks."""

    def __init__(self, inputs: int, outputs: int, depth: int, spp: bool = False):
        super().__init__()
        half = outputs // 2
        self.conv1 = conv_bn(inputs, half, 1)
        self.conv2 = conv_bn(inputs, half, 1)
        self.convs = nn.Sequential()
        for i in range(depth):
            self.convs.add_module(str(i), BasicBlock(half, shortcut=False))
            if spp and i == (depth - 1) // 2:
                self.convs.add_module("spp", SPP(half))
        self.conv3 = conv_bn(2 * half, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv3(torch.cat([self.conv1(x), self.convs(self.conv2(x))], dim=1))


class Neck(nn.Module):
    """Features at strides 8, 16, 32 → features at strides 32, 16, 8: down from the deepest map (fpn), and up (pan).

    Every stage stands in a Sequential of its own: the original could have several at a level.
    """

    def __init__(self, size: Size):
        super().__init__()
        c3, c4, c5 = size.channels(*BACKBONE[1:])
        n5, n4, n3 = size.channels(*NECK)
        depth = size.blocks(NECK_DEPTH)
        fpn = [
            NeckStage(c5, n5, depth, spp=True),
            NeckStage(n5 // 2 + c4, n4, depth),
            NeckStage(n4 // 2 + c3, n3, depth),
        ]
        pan = [NeckStage(n4 + n5, n5, depth), NeckStage(n3 + n4, n4, depth)]
        self.fpn_stages = nn.ModuleList(nn.Sequential(stage) for stage in fpn)
        self.fpn_routes = nn.ModuleList([conv_bn(n5, n5 // 2, 1), conv_bn(n4, n4 // 2, 1)])
        self.pan_stages = nn.ModuleList(nn.Sequential(stage) for stage in pan)
        self.pan_routes = nn.ModuleList([conv_bn(n4, n4, 3, stride=2), conv_bn(n3, n3, 3, stride=2)])

    def forward(self, c3: Tensor, c4: Tensor, c5: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        def join(a: Tensor, b: Tensor) -> Tensor:
            return torch.cat([a, b], dim=1)

        def enlarged(x: Tensor) -> Tensor:
            return F.interpolate(x, scale_factor=2, mode="nearest")

        f5 = self.fpn_stages[0](c5)
        f4 = self.fpn_stages[1](join(enlarged(self.fpn_routes[0](f5)), c4))
        p3 = self.fpn_stages[2](join(enlarged(self.fpn_routes[1](f4)), c3))
        p4 = self.pan_stages[1](join(self.pan_routes[1](p3), f4))
        p5 = self.pan_stages[0](join(self.pan_routes[0](p4), f5))
        return p5, p4, p3


class GatedConv(nn.Module):
    """The head's effective squeeze and excitation: a map gated by its `mean` [B, C, 1, 1], and a convolution."""

    def __init__(self, channels: int):
        super().__init__()
        self.fc = nn.Conv2d(channels, channels, 1)
        nn.init.normal_(self.fc.weight, std=0.001)
        self.conv = conv_bn(channels, channels, 1)

    def forward(self, x: Tensor, mean: Tensor) -> Tensor:
        return self.conv(x * self.fc(mean).sigmoid())


def prediction(channels: int, outputs: int) -> nn.Conv2d:
    """A last convolution, which says the same of every cell until it is trained."""
    conv = nn.Conv2d(channels, outputs, 3, padding=1)
    nn.init.zeros_(conv.weight)
    nn.init.ones_(conv.bias)  # pyright: ignore[reportArgumentType] - it has one
    return conv


class Head(nn.Module):
    """Maps at strides 32, 16, 8 → one pair (box logits [B, 4·bins, h, w], class logits [B, C, h, w]) a level."""

    def __init__(self, size: Size, num_classes: int):
        super().__init__()
        channels = size.channels(*NECK)
        self.stem_cls = nn.ModuleList(GatedConv(width) for width in channels)
        self.stem_reg = nn.ModuleList(GatedConv(width) for width in channels)
        self.pred_cls = nn.ModuleList(prediction(width, num_classes) for width in channels)
        self.pred_reg = nn.ModuleList(prediction(width, 4 * NUM_BINS) for width in channels)

    def forward(self, *maps: Tensor) -> list[tuple[Tensor, Tensor]]:
        levels = []
        for i, x in enumerate(maps):
            mean = x.mean((2, 3), keepdim=True)
            boxes = self.pred_reg[i](self.stem_reg[i](x, mean))
            levels.append((boxes, self.pred_cls[i](self.stem_cls[i](x, mean) + x)))
        return levels


class PPYoloE(DflDetector):
    """PP-YOLOE. `size` is s, m, l or x.

    images [B, 3, H, W] float, BGR less the mean and over the deviation (`exporter.preprocessing.ppyoloe`), H and W
    multiples of 32 → boxes [B, N, 4] float32 xyxy in input pixels (not clipped), scores [B, N, num_classes] float32 in
    0..1; N = H·W·(1/1024 + 1/256 + 1/64), the coarse level first.
    """

    strides = (32, 16, 8)

    def __init__(self, size: str, num_classes: int):
        super().__init__()
        self.backbone = Backbone(SIZES[size])
        self.neck = Neck(SIZES[size])
        self.head = Head(SIZES[size], num_classes)
        self.initialise(self.head.pred_cls, eps=1e-5, momentum=0.1)

    def levels(self, images: Tensor) -> list[tuple[Tensor, Tensor]]:
        return self.head(*self.neck(*self.backbone(images)))
