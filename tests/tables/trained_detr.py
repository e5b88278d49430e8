"""A DETR that has learnt something: transformers' RT-DETRv2 (encoder and two decoder layers, 64 wide, 60 queries) on the demo's YOLO-NAS-S
as its backbone, which is not trained; 256 × 256, synthetic images. For `tests.tables.linears`.

    python -c "from tests.tables.foreign_environment import python_with as p; print(p('transformers==5.24.0'))"
    THAT_PYTHON -m pip install scipy
    PYTHONPATH=. THAT_PYTHON -m tests.tables.trained_detr STEPS OUT.onnx

1000 steps of a schedule before this one took some 20 minutes of one core and gave 55 points of mAP. Written every 250 steps.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from exporter.demo.scenes import CLASS_NAMES, scene
from exporter.model.architectures import ARCHITECTURES
from exporter.model.checkpoint import read_checkpoint
from exporter.model.fuse import fuse
from exporter.model.known_weights import DEMO
from exporter.model.weights import load_strict
from tests.tables.foreign_tools import Plain, traced, with_torchvision
from tests.tables.trained import falling, name_classes

SIZE, SCENES, BATCH, WARM_UP, RATE = 256, 1600, 8, 50, 8e-4


class Backbone(nn.Module):
    """In the place of RT-DETR's: maps of strides 8, 16, 32, each with its mask; those in `known` instead, where it is set."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.backbone, self.neck, self.known = network.backbone, network.neck, None

    def maps(self, images: torch.Tensor) -> list[torch.Tensor]:
        return list(self.neck(*self.backbone(images)))

    def forward(self, images: torch.Tensor, mask: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
        maps = self.known or self.maps(images)
        return [(each, mask.new_ones((len(each), *each.shape[2:]), dtype=torch.bool)) for each in maps]


def made() -> tuple[nn.Module, Backbone]:
    import transformers as t

    network = ARCHITECTURES["yolo_nas_s"].create(len(CLASS_NAMES))
    load_strict(network, read_checkpoint(DEMO / "yolo_nas_s.safetensors"))
    backbone = Backbone(fuse(network).eval()).requires_grad_(False)
    channels = [each.shape[1] for each in backbone.maps(torch.zeros(1, 3, 64, 64))]
    torch.manual_seed(0)
    replaced = t.RTDetrResNetConfig(depths=[1] * 4, layer_type="basic", hidden_sizes=[8, *channels], embedding_size=8,
                                    out_features=["stage2", "stage3", "stage4"])  # fmt: skip
    config = t.RTDetrV2Config(
        backbone_config=replaced, encoder_in_channels=channels, num_labels=len(CLASS_NAMES), decoder_layers=2, d_model=64,
        encoder_hidden_dim=64, hidden_expansion=0.5, encoder_ffn_dim=128, decoder_ffn_dim=128, num_queries=60, num_denoising=30,
        decoder_in_channels=[64] * 3, encoder_attention_heads=4, decoder_attention_heads=4,
    )  # fmt: skip
    model = t.RTDetrV2ForObjectDetection(config)
    model.model.backbone = backbone
    return model, backbone


def examples(backbone: Backbone) -> list[tuple[list[torch.Tensor], dict[str, torch.Tensor]]]:
    """The maps of each image, in float16, and what is on it."""
    found = []
    for i in range(SCENES):
        each = scene("train", i, SIZE, SIZE)
        image = torch.from_numpy(each.image.transpose(2, 0, 1)[None].astype(np.float32) / 255)
        corners = torch.from_numpy(each.boxes) / SIZE
        low, high = corners.split(2, 1)
        boxes = torch.cat([(low + high) / 2, high - low], 1)
        found.append(
            (
                [m[0].half() for m in backbone.maps(image)],
                {"class_labels": torch.from_numpy(each.classes), "boxes": boxes},
            )
        )
    return found


def write(model: nn.Module, backbone: Backbone, path: Path) -> None:
    backbone.known = None
    traced(Plain(model.eval()), path, ["pixel_values"], ["logits", "pred_boxes"], 17, SIZE)
    name_classes(path)


def train(steps: int, path: Path) -> None:
    model, backbone = made()
    shown = examples(backbone)
    learnt = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learnt, RATE, weight_decay=1e-4)
    schedule = falling(optimizer, steps, WARM_UP)
    chosen = torch.Generator().manual_seed(0)
    for step in range(1, steps + 1):
        model.train()
        batch = [shown[i] for i in torch.randint(SCENES, (BATCH,), generator=chosen).tolist()]
        backbone.known = [torch.stack([maps[level] for maps, _ in batch]).float() for level in range(3)]
        loss = model(pixel_values=torch.zeros(BATCH, 3, SIZE, SIZE), labels=[labels for _, labels in batch]).loss
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(learnt, 0.1)
        optimizer.step()
        schedule.step()
        if step % 250 == 0 or step == steps:
            print(step, f"{loss.item():.2f}", flush=True)
            write(model, backbone, path)


if __name__ == "__main__":
    kept = with_torchvision()
    train(int(sys.argv[1]), Path(sys.argv[2]))
