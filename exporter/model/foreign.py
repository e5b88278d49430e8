"""Checkpoints that are not of the networks known here: told apart by what they hold, with where to go instead."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from exporter.common.errors import RequestError
from exporter.model.inert import SAVE, Record, Records, read_records

ONNX = "export it with its own tool and give what that writes, model=onnx model.weights=FILE.onnx"
# Where the classes of pickled networks come from.
PACKAGES = {
    "ultralytics.": "Ultralytics",
    "models.": "YOLOv5, v7 or v9",
    "yolox.": "YOLOX",
    "detectron2.": "Detectron2",
    "mmdet.": "MMDetection",
    "rfdetr.": "RF-DETR",
    "torchvision.": "torchvision",
}
# Entries of state dicts, without the prefixes that are taken off.
ENTRIES = {
    "Ultralytics": r"\d+\.(dfl\.conv|cv2\.\d|one2one_cv2\.)",
    "YOLOv5 or v7": r"\d+\.(m\.\d\.(weight|bias)|anchors?|anchor_grid)$",
    "YOLOX": r"head\.(obj_preds|cls_convs)\.",
    "torchvision": r"backbone\.body\.|rpn\.head\.",
    "Detectron2": r"roi_heads\.|proposal_generator\.",
    "MMDetection": r"bbox_head\.",
    "RF-DETR": r"refpoint_embed\.",
    "DETR": r"class_embed\.|class_labels_classifier\.",
    "RT-DETR or D-FINE": r"decoder\.(dec|enc)_score_head\.",
}


def read_weights_records(path: Path) -> Records:
    """As `read_records`. Raises RequestError for a pickled network too, which only its own code could load."""
    records = read_records(path)
    content = records.content
    places = list(content.values()) if isinstance(content, dict) else [content]
    networks = [place for place in places if _is_network(place)]
    if networks and not any(isinstance(place, dict) and _has_tensors(place) for place in [content, *places]):
        raise RequestError(f"{path}: {_of_network(networks[0].full_name)}")
    return records


def known_elsewhere(names: Iterable[str]) -> str | None:
    """What a state dict with these entries looks like, and what to do; None if nothing is known of it."""
    joined = "\n".join(names)
    for tool, entry in ENTRIES.items():
        if re.search(f"^(?:{entry})", joined, re.MULTILINE):
            return f"looks like a network of {tool}: {ONNX}"
    return None


def is_tensor(value: Any) -> bool:
    """Whether a record stands for a tensor, or for a parameter."""
    return isinstance(value, Record) and value.full_name.startswith(
        ("torch._utils._rebuild_", "torch._tensor._rebuild_")
    )


def _has_tensors(place: dict[Any, Any]) -> bool:
    return any(is_tensor(value) for value in place.values())


def _is_network(value: Any) -> bool:
    return isinstance(value, Record) and "_modules" in value.fields  # what every torch module has


def _of_network(name: str) -> str:
    tool = next((tool for package, tool in PACKAGES.items() if name.startswith(package)), None)
    if tool:
        return f"holds a whole network of {tool} ({name}), which only that can load: {ONNX}"
    return f"holds a whole network, and loading it would run code ({name}): {SAVE}; or {ONNX}"
