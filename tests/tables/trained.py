"""What the programs that train a foreign network have in common."""

import math
from pathlib import Path

import onnx
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from exporter.demo.scenes import CLASS_NAMES


def falling(optimizer: Optimizer, steps: int, warm_up: int) -> LambdaLR:
    """The rate rises in `warm_up` steps, and falls by a cosine to 1 % at the last."""
    return LambdaLR(optimizer, lambda step: min((step + 1) / warm_up, 0.51 + 0.5 * math.cos(math.pi * step / steps)))


def name_classes(path: Path) -> None:
    """The synthetic images' classes in the metadata of an ONNX file, as Ultralytics writes them."""
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {"names": str(dict(enumerate(CLASS_NAMES)))})
    onnx.save(model, path)
