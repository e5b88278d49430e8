"""What the outputs of a core graph are called, see `exporter.graph.trace`: by these names they are found again in the
finished artifact."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

RAW_OUTPUTS = ("box_logits", "class_logits", "anchors")
DECODED_OUTPUTS = ("boxes", "scores")
UNCLIPPED = "boxes/unclipped"
"""What the NMS kept, where what follows it clips the boxes to the input."""
INNER = "detections/"
"""Before the names of the batch format's tensors, where code of the user's stands behind them."""
PLUGIN = "EfficientNMS_TRT"
"""TensorRT's operator, whose outputs mean something else in rows that are not used."""
PLUGIN_DOMAIN = "trt.plugins"
"""ONNX's checker refuses an operator that it does not know in the default domain; TensorRT looks plugins up by name."""
PLUGIN_SELECTS = 4096
"""Pairs of an image that enter its suppression: its kernels' own limit."""


def displaced(name: str) -> str:
    """What a tensor of the core is called that has the name of one of a format's outputs."""
    return f"format/core_{name}"


DISPLACED = tuple(map(displaced, DECODED_OUTPUTS))
"""What those are called where the format's own outputs have their names."""


def core_outputs(graph: "onnx.GraphProto") -> tuple[str, ...]:
    """The core's outputs in a finished artifact that nodes compute: anchors of a fixed size are a constant. Empty where
    they are not found."""
    computed = {name for node in graph.node for name in node.output}
    known = computed | {tensor.name for tensor in graph.initializer}
    for names in (RAW_OUTPUTS, DISPLACED, DECODED_OUTPUTS):
        if set(names) <= known:
            return tuple(name for name in names if name in computed)
    return ()
