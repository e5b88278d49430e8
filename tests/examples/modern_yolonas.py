"""A network that this project did not write, made ready for it: YOLO-NAS as the wheel `modern-yolonas` has it.

    pip install --no-deps modern-yolonas
    cp tests/examples/modern_yolonas.py theirs.py
    python -m exporter model=custom model._target_=theirs.network trust=theirs +model.variant=yolo_nas_s \\
        +model.weights=mine.safetensors +model.num_classes=3 preprocessing=yolo_nas \\
        quantization=int8 calibration=folder calibration.path=pictures

Nothing is adapted: in eval mode its forward gives boxes in pixels and scores after the sigmoid, which is the contract.
"""

import importlib.util
import sys
import types
from pathlib import Path

from torch import nn

PACKAGE = "modern_yolonas"


def network(variant: str, weights: str, num_classes: int) -> nn.Module:
    """Its yolo_nas_s, _m or _l with the weights of a .pth or .safetensors file in the original layout."""
    from exporter.model.checkpoint import read_checkpoint

    made = _class().from_config(variant, num_classes=num_classes)
    made.load_state_dict(read_checkpoint(Path(weights)).state)
    return made


def _class() -> type[nn.Module]:
    """Its network and no more: the package's own __init__ also wants what it trains, downloads and draws with."""
    if PACKAGE not in sys.modules:
        found = importlib.util.find_spec(PACKAGE)
        assert found is not None and found.submodule_search_locations is not None
        bare = types.ModuleType(PACKAGE)
        bare.__path__ = list(found.submodule_search_locations)
        sys.modules[PACKAGE] = bare
    from modern_yolonas.model import YoloNAS  # pyright: ignore[reportMissingImports] - no dependency of ours

    return YoloNAS
