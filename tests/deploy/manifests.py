"""Manifests of artifacts that were never built, for what reads nothing but the manifest."""

import hashlib
from typing import Any

from exporter.artifact.manifest import Manifest
from exporter.preprocessing.ppyoloe import PPYoloE
from exporter.preprocessing.yolo_nas import YoloNas
from tests.making import NOTHING_PROVED

OUTPUTS = {
    "batch": [("num_predictions", "int64", [1]), ("pred_boxes", "float32", [300, 4]), ("pred_scores", "float32", [300]), ("pred_classes", "int64", [300])],
    "deepstream": [("output", "float32", [8400, 6])],
    "yolo": [("output0", "float32", [12, 8400])],
    "split": [("boxes", "float32", [8400, 4]), ("scores", "float32", [8400, 80])],
    "none": [("pred_boxes", "float32", [8400, 4]), ("pred_scores", "float32", [8400, 8])],
}  # fmt: skip

OUTSIDE = {
    "confidence_threshold": 0.25, "nms_threshold": 0.7, "num_pre_nms_predictions": 1000, "max_candidates_per_image": None,
    "max_predictions_per_image": 300, "class_agnostic": False, "multi_label": False,
}  # fmt: skip


FP16 = {"float16_convolutions": 94, "float32_convolutions": 6, "float16_weights": 1}
COUNTED = {
    "float32": {},
    "float16": FP16 | {"engines": "GPUs", "nodes": {}, "left_in_float32": {}, "exclude": {}, "probes": "none"},
    "int8": {
        "scheme": "s8s8", "convolutions": {"int8": 94, "float": 6, "left_in_float": []}, "activations": ["int8"],
        "weights": ["int8"], "weight_scales": ["per channel"], "largest_weight": 127, "quantize_linear": 1,
        "dequantize_linear": 1,
    },
}  # fmt: skip


def manifest(
    *, batch: int | str = 1, backend: str = "tensorrt", format: str | None = "batch", plugin: bool = False,
    dtype: str = "uint8", layout: str = "nchw", channels: str = "rgb", inside: bool = True, network: str = "yolo_nas",
    size: tuple[int, int] = (640, 640), classes: int = 8, precision: str = "int8", clip: bool = False, outside: bool = False, **sections: Any,
) -> Manifest:  # fmt: skip
    """YOLO-NAS-S or PP-YOLOE of `size` (height, width). `plugin`: with TensorRT's NMS, whose integers are int32; `outside`: without
    NMS inside."""
    node = {"yolo_nas": YoloNas(), "ppyoloe": PPYoloE()}[network]
    height, width = size
    shape = [batch, 3, height, width] if layout == "nchw" else [batch, height, width, 3]
    free = {"batch": {"min": 1, "max": None, "multiple": 1, "nominal": 1}} if batch == "batch" else {}
    flat = [{"name": "flat_predictions", "dtype": "float32", "shape": ["detections", 7], "meaning": "rows"}]
    outputs = flat if format == "flat" else [
        {"name": name, "dtype": "int32" if plugin and kind == "int64" else kind, "shape": [batch, *dims], "meaning": ""}
        for name, kind, dims in OUTPUTS[format or "none"]
    ]  # fmt: skip
    profile = {end: [n, *shape[1:]] for end, n in (("min", 1), ("opt", 8), ("max", 16))}
    trt = {"profile": profile if batch == "batch" else None}
    if backend == "tensorrt":
        trt["build_flags"] = {"8.6": ["--int8"], "10": ["--stronglyTyped"], "11": []}
    values = {
        "schema_version": 1,
        "name": "yolo_nas_s_int8",
        "artifact": {"file": "model.onnx", "sha256": hashlib.sha256(b"onnx").hexdigest(), "bytes": 4, "opset": 17, "ir_version": 8, "operators": {}},
        "model": {
            "name": f"{network}_s", "num_classes": classes, "class_names": [f"class_{i}" for i in range(classes)], "parameters": 1,
            "weights": {"file": None, "sha256": None, "source": "demo", "licence": None},
        },
        "input": {
            "name": "images", "dtype": dtype, "shape": shape, "allowed": free, "layout": layout, "channels": channels,
            "range": [0, 255] if inside else None,
        },
        "preprocessing": {
            "name": network if inside else "none", "inside_graph": inside, "geometry_inside_graph": False,
            "normalization": node.normalization.model_dump(), "geometry": node.geometry(height, width).model_dump(),
        },
        "outputs": outputs,
        "postprocessing": {
            "nms": {"type": "efficientnms" if plugin else "onnx", "confidence_threshold": 0.25, "nms_threshold": 0.7, "class_agnostic": False},
            "format": format, "clip": clip, "outside": OUTSIDE if outside else None,
        },
        "quantization": COUNTED[precision] | {"precision": precision},
        "calibration": None,
        "backend": {"name": backend, "minimum_version": "8.6", "verified": "", **(trt if backend.startswith("tensorrt") else {})},
        "proof": NOTHING_PROVED.model_dump(), "evaluation": None, "benchmark": None,
        "recipe": {"name": None, "config": {}, "overrides": [], "commit": None, "dirty": None},
        "versions": {}, "run": {},
    }  # fmt: skip
    return Manifest.model_validate(values | sections)
