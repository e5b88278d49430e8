"""What an ONNX file says of its use, besides class names: size and type of its input, and thresholds."""

import re
from collections.abc import Mapping

import onnx

from exporter.graph.image_input import has_channels_last, image_of, reads_bytes
from exporter.preprocessing.declared import of_bytes
from exporter.preprocessing.trained import SizeFrom, Trained

SIDE = r"(\d{1,5})"
PAIR = re.compile(rf"[\[(] *{SIDE} *, *{SIDE} *[\])]|{SIDE}")
"""`imgsz` as Ultralytics writes it (height and width), or one number for both sides."""
THRESHOLD = re.compile(r"0(\.\d{1,17})?|1(\.0{1,17})?")


def said(model: onnx.ModelProto, usual: Trained) -> Trained:
    """`usual`, with what the file itself says."""
    metadata = {each.key: each.value for each in model.metadata_props}
    size, source = size_of(model, metadata) or (None, None)
    confidence, overlap = (_threshold(metadata.get(key, "")) for key in ("nms_conf", "nms_iou"))  # LibreYOLO's
    fed = usual.preprocessing
    update = {
        "preprocessing": of_bytes(fed) if fed and reads_bytes(model) else None,
        "size": size,
        "size_from": source,
        "confidence_threshold": confidence,
        "nms_threshold": overlap,
    }
    return usual.model_copy(update={key: value for key, value in update.items() if value is not None})


def size_of(model: onnx.ModelProto, metadata: Mapping[str, str]) -> tuple[tuple[int, int], SizeFrom] | None:
    """Height and width in pixels that the graph is fixed to, or that its metadata names, and which of them says it;
    a side that is fixed counts before what the metadata say. None where nobody says both."""
    fixed, named = fixed_sides(model), _named(metadata) or (0, 0)
    height, width = (own or other for own, other in zip(fixed, named, strict=True))
    if not (height and width):
        return None
    return (height, width), "input" if all(fixed) else "metadata"


def fixed_sides(model: onnx.ModelProto) -> tuple[int, int]:
    """Height and width of the one image that it reads, 0 for a free one."""
    image = image_of(model)
    if image is None:
        return 0, 0
    sides = [max(dim.dim_value, 0) for dim in image.type.tensor_type.shape.dim]
    height, width = sides[1:3] if has_channels_last(model) else sides[2:]
    return height, width


def _named(metadata: Mapping[str, str]) -> tuple[int, int] | None:
    both = PAIR.fullmatch(f"({metadata.get('imgsz_h')}, {metadata.get('imgsz_w')})")  # LibreYOLO's imgsz is the larger
    found = both or PAIR.fullmatch(metadata.get("imgsz", "").strip())
    if found is None:
        return None
    height, width, single = found.groups()
    return int(single or height), int(single or width)


def _threshold(text: str) -> float | None:
    return float(text) if THRESHOLD.fullmatch(text) else None
