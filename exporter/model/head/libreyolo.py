"""What files of LibreYOLO are, which name their family in their metadata: the head of each, and what it is fed.

Read from LibreYOLO 1.6.0 (MIT), which runs such files itself: `backends/base.py` (`_preprocess`, `_parse_outputs`)."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from exporter.model.head.presets import presets

IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}  # of 0..1, RGB
STRETCHED = {"resize": "stretch", **IMAGENET}
# What is other than the preset's, mean and deviation in the network's order of channels.
PADDED = {**IMAGENET, "pad_value": 116}  # there with the mean of each channel: 124, 116, 104
DARKNET = {"pad_value": 128}
BGR = {"channels": "bgr", "mean": [0.406, 0.456, 0.485], "std": [0.225, 0.224, 0.229]}
SSD = {"resize": "stretch", "mean": [0.48235, 0.45882, 0.40784], "std": [1 / 255] * 3}
CENTERNET = {"channels": "bgr", "pad_value": 0, "mean": [0.408, 0.447, 0.47], "std": [0.289, 0.274, 0.278]}

COCO_IDS = [i for i in range(1, 91) if i not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)]
"""The numbers of COCO's 80 classes among its 91 (`categories` of instances_val2017.json)."""
DINO_SIZES = ("s", "m", "l", "x")  # of DEIMv2: a backbone that was trained with ImageNet's normalization


class Family(NamedTuple):
    """preset: of `model/head`; changes: its keys that are others; fed: what is other in what it is fed; preprocessing:
    the option of that group that is just that, where there is one; coco: whether weights trained on COCO have its 91
    classes, of which the file names 80."""

    preset: str
    changes: Mapping[str, Any] = {}
    fed: Mapping[str, Any] = {}
    preprocessing: str | None = None
    coco: bool = False


FAMILIES = {
    "centernet": Family("yolo26", fed=CENTERNET),
    "deformable_detr": Family("dfine", fed=STRETCHED, coco=True),
    "deim": Family("dfine"),
    "deimv2": Family("dfine"),
    "detr": Family("detr", coco=True),
    "dfine": Family("dfine"),
    "dinodetr": Family("dfine", fed=STRETCHED, coco=True),
    "ec": Family("dfine", fed=STRETCHED),
    "efficientdet": Family("yolo26", {"suppressed": False}, {"padding": "bottom_right", **PADDED}),
    "gtr": Family("dfine", fed=STRETCHED),
    "lwdetr": Family("dfine", fed=STRETCHED, coco=True),
    "picodet": Family("libreyolo9", {"columns": "last"}, STRETCHED),
    "ppyoloe": Family("boxes_scores", fed=STRETCHED),  # RGB there, BGR in SuperGradients
    "retinanet": Family("libreyolo9", {"columns": "last"}, PADDED),
    "rtdetr": Family("rtdetr"),
    "rtdetrv2": Family("rtdetr"),
    "rtdetrv4": Family("rtdetr"),
    "rtmdet": Family("libreyolo9", {"columns": "last"}, BGR),
    "ssd": Family("libreyolo9", fed=SSD),
    "tinyformer": Family("dfine", fed=STRETCHED),
    "yolo2": Family("libreyolo9", fed=DARKNET),
    "yolo3": Family("libreyolo9", fed=DARKNET),
    "yolo4": Family("libreyolo9", fed=DARKNET),
    "yolo7": Family("libreyolo9"),
    "yolo9": Family("libreyolo9"),
    "yolo9_e2e": Family("libreyolo9", {"suppressed": True}),
    "yolo9_p2": Family("libreyolo9"),
    "yolonas": Family("boxes_scores", preprocessing="yolo_nas"),
    "yolox": Family("libreyolox"),
}


def family_name(metadata: Mapping[str, str]) -> str | None:
    """As LibreYOLO calls it, None for a file of another tool."""
    return metadata.get("model_family") if "libreyolo_version" in metadata else None


def family(metadata: Mapping[str, str]) -> Family | None:
    """What the file says that it is; None for a file of another tool, and of a family that is not known here."""
    name = family_name(metadata)
    found = FAMILIES.get(name or "")
    if found is None or metadata.get("task", "detect") != "detect":
        return None
    if name == "deimv2" and metadata.get("size") in DINO_SIZES:
        return found._replace(fed=STRETCHED)
    if metadata.get("letterbox_pad") == "center" and found.preset == "libreyolo9" and "resize" not in found.fed:
        return found._replace(fed={**found.fed, "padding": "center"})
    return found


def readings(of: Family) -> Iterator[dict[str, Any]]:
    """The keys of the head that are others than the preset's, in the order to try: of all classes, of COCO's 80."""
    yield dict(of.changes)
    if of.coco:
        yield {**of.changes, "classes": COCO_IDS}


def preprocessing(of: Family) -> tuple[str, dict[str, Any]] | None:
    """The option that says what it is fed, and its keys; None where the preset says it."""
    if of.preprocessing:
        return of.preprocessing, {}
    return ("declared", {**(presets()[of.preset].preprocessing or {}), **of.fed}) if of.fed else None
