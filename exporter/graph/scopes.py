"""What nodes and tensors are called that are put around a network: no graph that somebody else made may use it."""

from typing import Literal, get_args

Scope = Literal[
    "preprocessing", "guard", "frame", "boxes", "nms", "decode", "format", "detections", "observed", "given", "declared"
]
"""What their names begin with, the pass that writes them. `detections`: what the user's own format gets; `observed`:
what calibration reads; `given`: marks what came quantized, see `exporter.graph.came_quantized`; `declared`: the head of
a network that somebody else made, see `exporter.model.head`."""

PREFIXES = tuple(f"{scope}/" for scope in get_args(Scope))

TENSORS = (
    "frame", "frame_offset", "frame_scale", "frame_size", "input_boxes",
    "kept_boxes", "kept_scores", "kept_classes", "num_kept",
    "pred_boxes", "pred_scores", "pred_classes", "num_predictions", "flat_predictions",
)  # fmt: skip
"""Tensors that stand between these passes, or come out of the last one, and are found by their whole names."""
