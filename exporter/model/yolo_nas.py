"""YOLO-NAS S, M and L (Deci 2023), under the names of the original state dict.

Facts of the architecture were read from the published networks; `tests/model` proves that this is the same function.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from exporter.model.blocks import SPP, ConvBN, CSPLayer, QARepVGG, SeqConvBN
from exporter.model.dfl import NUM_BINS, DflDetector


@dataclass(frozen=True)
class Size:
    """What differs between the sizes; lists go from the shallow stage to the deep one."""

    backbone_hidden: tuple[int, int, int, int]
    backbone_concat: tuple[bool, bool, bool, bool]
    neck_hidden: tuple[int, int, int, int]
    neck_depth: tuple[int, int, int, int]
    head_channels: tuple[int, int, int]


SIZES = {
    "s": Size((32, 64, 96, 192), (False, False, False, False), (64, 48, 64, 64), (2, 2, 2, 2), (64, 128, 256)),
    "m": Size((64, 128, 256, 384), (True, True, True, False), (192, 64, 192, 256), (2, 3, 2, 3), (96, 192, 384)),
    "l": Size((96, 128, 256, 512), (True, True, True, True), (128, 128, 128, 256), (4, 4, 4, 4), (128, 256, 512)),
}
STEM, BACKBONE, BACKBONE_DEPTH = 48, (96, 192, 384, 768), (2, 3, 5, 2)
NECK = (192, 96, 192, 384)  # output channels of neck1 … neck4


class Stage(nn.Module):
    """Halves the image and goes through a CSP layer."""

    def __init__(self, inputs: int, outputs: int, hidden: int, depth: int, concat: bool):
        super().__init__()
        self.downsample = QARepVGG(inputs, outputs, stride=2)
        self.blocks = CSPLayer(outputs, outputs, hidden, depth, concat_intermediates=concat)

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.downsample(x))


class Stem(nn.Module):
    """The first convolution: halves the image."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = QARepVGG(3, STEM, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Backbone(nn.Module):
    """[B, 3, H, W] → features at strides 4, 8, 16, 32."""

    def __init__(self, size: Size):
        super().__init__()
        self.stem = Stem()
        inputs = (STEM, *BACKBONE)
        for i in range(4):
            stage = Stage(inputs[i], BACKBONE[i], size.backbone_hidden[i], BACKBONE_DEPTH[i], size.backbone_concat[i])
            self.add_module(f"stage{i + 1}", stage)
        self.context_module = SPP(BACKBONE[-1])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        c2 = self.stage1(self.stem(x))
        c3 = self.stage2(c2)
        c4 = self.stage3(c3)
        return c2, c3, c4, self.context_module(self.stage4(c4))


class UpStage(nn.Module):
    """Joins a deep map with a shallower one (`skip1`) and one shallower still (`skip2`), at the size of `skip1`."""

    def __init__(self, inputs: int, skip1: int, skip2: int, outputs: int, hidden: int, depth: int):
        super().__init__()
        self.reduce_skip1 = ConvBN(skip1, outputs, 1)
        self.reduce_skip2 = ConvBN(skip2, outputs, 1)
        self.conv = ConvBN(inputs, outputs, 1)
        self.upsample = nn.ConvTranspose2d(outputs, outputs, 2, stride=2)
        self.downsample = ConvBN(outputs, outputs, 3, stride=2)
        self.reduce_after_concat = ConvBN(3 * outputs, outputs, 1)
        self.blocks = CSPLayer(outputs, outputs, hidden, depth)

    def forward(self, x: Tensor, skip1: Tensor, skip2: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the map before upsampling (the down path takes it up again) and the joined map."""
        inter = self.conv(x)
        joined = [self.upsample(inter), self.reduce_skip1(skip1), self.downsample(self.reduce_skip2(skip2))]
        return inter, self.blocks(self.reduce_after_concat(torch.cat(joined, dim=1)))


class DownStage(nn.Module):
    """Joins a shallow map with a deeper one (`skip`), at the size of `skip`."""

    def __init__(self, inputs: int, skip: int, outputs: int, hidden: int, depth: int):
        super().__init__()
        self.conv = ConvBN(inputs, outputs // 2, 3, stride=2)
        self.blocks = CSPLayer(outputs // 2 + skip, outputs, hidden, depth, repvgg=False)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.blocks(torch.cat([self.conv(x), skip], dim=1))


class Neck(nn.Module):
    """Features at strides 4 … 32 → features at strides 8, 16, 32."""

    def __init__(self, size: Size):
        super().__init__()
        c2, c3, c4, c5 = BACKBONE
        n1, n2, n3, n4 = NECK
        h, d = size.neck_hidden, size.neck_depth
        self.neck1 = UpStage(c5, c4, c3, n1, h[0], d[0])
        self.neck2 = UpStage(n1, c3, c2, n2, h[1], d[1])
        self.neck3 = DownStage(n2, n2, n3, h[2], d[2])
        self.neck4 = DownStage(n3, n1, n4, h[3], d[3])

    def forward(self, c2: Tensor, c3: Tensor, c4: Tensor, c5: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        inter1, x = self.neck1(c5, c4, c3)
        inter2, p3 = self.neck2(x, c3, c2)
        p4 = self.neck3(p3, inter2)
        return p3, p4, self.neck4(p4, inter1)


class Head(nn.Module):
    """One level's predictions: x [B, inputs, h, w] → box logits [B, 4·bins, h, w], class logits [B, C, h, w]."""

    def __init__(self, inputs: int, channels: int, num_classes: int):
        super().__init__()
        self.stem = SeqConvBN(inputs, channels, 1)
        self.cls_convs = nn.Sequential(SeqConvBN(channels, channels, 3))
        self.reg_convs = nn.Sequential(SeqConvBN(channels, channels, 3))
        self.cls_pred = nn.Conv2d(channels, num_classes, 1)
        self.reg_pred = nn.Conv2d(channels, 4 * NUM_BINS, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.stem(x)
        return self.reg_pred(self.reg_convs(x)), self.cls_pred(self.cls_convs(x))


class Heads(nn.Module):
    """Maps at strides 8, 16, 32 → one (box logits, class logits) pair a level."""

    def __init__(self, size: Size, num_classes: int):
        super().__init__()
        for i, (inputs, channels) in enumerate(zip(NECK[1:], size.head_channels, strict=True)):
            self.add_module(f"head{i + 1}", Head(inputs, channels, num_classes))

    def forward(self, p3: Tensor, p4: Tensor, p5: Tensor) -> list[tuple[Tensor, Tensor]]:
        return [self.head1(p3), self.head2(p4), self.head3(p5)]


class YoloNas(DflDetector):
    """YOLO-NAS. `size` is s, m or l.

    images [B, 3, H, W] float, RGB in 0..1, H and W multiples of 32 → boxes [B, N, 4] float32 xyxy in input pixels
    (not clipped), scores [B, N, num_classes] float32 in 0..1; N = H·W·(1/64 + 1/256 + 1/1024).
    """

    strides = (8, 16, 32)

    def __init__(self, size: str, num_classes: int):
        super().__init__()
        self.backbone = Backbone(SIZES[size])
        self.neck = Neck(SIZES[size])
        self.heads = Heads(SIZES[size], num_classes)
        self.initialise(module.cls_pred for module in self.modules() if isinstance(module, Head))

    def levels(self, images: Tensor) -> list[tuple[Tensor, Tensor]]:
        return self.heads(*self.neck(*self.backbone(images)))
