"""A foreign CNN that has learnt something, from random weights on synthetic images: YOLOX-Nano (depthwise) or YOLOv9-t, each
with its own package's network, loss and ONNX. One thread; a moving average of the weights is written.

    python -c "from tests.tables.foreign_environment import python_with as p; print(p('pixeltable-yolox==0.4.3'))"
    PYTHONPATH=. THAT_PYTHON -m tests.tables.trained_cnn yolox-nano STEPS OUT.onnx

The other: `libreyolo==1.6.0` and `yolov9-t`. Written every 250 steps. A step takes a second and three seconds of one core; 2400 of
YOLOX-Nano gave 77 points of mAP, 250 of YOLOv9-t (of 500) 33, 1500 of it 84.
"""

import copy
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from exporter.demo.scenes import CLASS_NAMES, scene
from tests.tables.foreign_tools import with_torchvision, write_yolox
from tests.tables.trained import falling, name_classes

SIZE, SCENES, BATCH, OBJECTS, WARM_UP, RATE = 192, 6000, 16, 12, 100, 2e-3
CLASSES = len(CLASS_NAMES)


class Kind(NamedTuple):
    """make: the network, whose forward gives a dictionary with `total_loss` for images and targets [B, OBJECTS, 5] (class and
    what `boxes` makes of corners in pixels); brightest: what it is fed for a byte of 255; write: its ONNX, by its own tool."""

    make: Callable[[], nn.Module]
    boxes: Callable[[np.ndarray], np.ndarray]
    brightest: float
    write: Callable[[nn.Module, Path], None]


def yolox() -> nn.Module:
    from yolox.config import YoloxConfig

    config = YoloxConfig.get_named_config("yolox-nano")
    config.num_classes = CLASSES
    return config.get_model()


def write_named_yolox(network: nn.Module, path: Path) -> None:
    write_yolox(network, path, SIZE)
    name_classes(path)


def yolov9() -> nn.Module:
    from libreyolo.models.yolo9.nn import LibreYOLO9Model

    network = LibreYOLO9Model("t", nb_classes=CLASSES)
    for tower in network.head.cv3:  # from -10, its own, a training of minutes does not come up
        tower[-1].bias.data.fill_(-4.6)
    return network


def write_yolov9(network: nn.Module, path: Path) -> None:
    from libreyolo import LibreYOLO9

    tool = LibreYOLO9(None, size="t", nb_classes=CLASSES, device="cpu")
    tool.model.load_state_dict(network.state_dict())
    tool.names = dict(enumerate(CLASS_NAMES))
    Path(tool.export(format="onnx", imgsz=SIZE, simplify=False)).rename(path)


KINDS = {
    "yolox-nano": Kind(
        yolox, lambda corners: np.hstack([corners[:, :2] + corners[:, 2:], 2 * (corners[:, 2:] - corners[:, :2])]) / 2, 255,
        write_named_yolox,
    ),
    "yolov9-t": Kind(yolov9, lambda corners: corners / SIZE, 1, write_yolov9),
}  # fmt: skip


def examples(kind: Kind) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [SCENES, 3, SIZE, SIZE] and float32 [SCENES, OBJECTS, 5]; rows of zeros are no object."""
    images, targets = np.empty((SCENES, 3, SIZE, SIZE), np.uint8), np.zeros((SCENES, OBJECTS, 5), np.float32)
    for i in range(SCENES):
        each = scene("train", i, SIZE, SIZE)
        images[i] = each.image.transpose(2, 0, 1)
        targets[i, : len(each.boxes)] = np.hstack([each.classes[:, None], kind.boxes(each.boxes)])
    return images, targets


def train(name: str, steps: int, path: Path) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    kind, chosen = KINDS[name], np.random.default_rng(0)
    network = kind.make()
    kept, (images, targets) = copy.deepcopy(network), examples(kind)
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=0.01)
    schedule = falling(optimizer, steps, WARM_UP)
    start, total = time.monotonic(), 0.0
    for step in range(1, steps + 1):
        batch = chosen.integers(SCENES, size=BATCH)
        shown = torch.from_numpy(images[batch].astype(np.float32)) * (kind.brightest / 255)
        network.train()
        loss = network(shown, torch.from_numpy(targets[batch]))["total_loss"]
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 10)
        optimizer.step()
        schedule.step()
        total += loss.item()
        share = min(1 - 5 / steps, step / (step + 10))
        with torch.no_grad():
            for average, value in zip(kept.state_dict().values(), network.state_dict().values(), strict=True):
                average.copy_(value if not value.is_floating_point() else average.lerp(value, 1 - share))
        if step % 50 == 0:
            print(step, f"{total / 50:.2f}", f"{time.monotonic() - start:.0f} s", flush=True)
            total = 0.0
        if step % 250 == 0 or step == steps:
            kind.write(copy.deepcopy(kept).eval(), path)


if __name__ == "__main__":
    library = with_torchvision()
    train(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
