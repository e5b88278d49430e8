"""Settings of operators that the parser takes only in part: a table."""

from collections.abc import Callable, Iterator

import onnx

from exporter.backend.lint.view import View, label
from exporter.graph.facts import DEFAULT
from exporter.graph.walk import attribute

ONES = "1s only"
TRANSFORMS = ("half_pixel", "pytorch_half_pixel", "tf_half_pixel_for_nn", "asymmetric", "align_corners")

# (operators, attribute, what the parser takes, whether a value is that); an attribute that is not set is fine.
ATTRIBUTES: tuple[tuple[tuple[str, ...], str, str, Callable[[object], bool]], ...] = (
    (("MaxPool", "AveragePool", "LpPool"), "dilations", ONES, lambda v: isinstance(v, list) and set(v) <= {1}),
    (("Resize",), "coordinate_transformation_mode", ", ".join(TRANSFORMS), lambda v: v in TRANSFORMS),
    (("Resize",), "mode", "nearest, linear or cubic", lambda v: v in ("nearest", "linear", "cubic")),
    (("Resize",), "antialias", "0", lambda v: v == 0),
    (("Resize",), "keep_aspect_ratio_policy", "stretch", lambda v: v == "stretch"),
    (("BatchNormalization",), "training_mode", "0", lambda v: v == 0),
    (("ScatterND",), "reduction", "none", lambda v: v == "none"),
    (("LpNormalization", "LpPool"), "p", "1 or 2", lambda v: v in (1, 2)),
    (("LSTM",), "input_forget", "0", lambda v: v == 0),
    (("Attention",), "softcap", "0", lambda v: v == 0),
)

REDUCTIONS = ("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin",
              "ReduceProd", "ReduceSum", "ReduceSumSquare")  # fmt: skip
CONSTANT_INPUTS = {"CumSum": (1, "axis"), "OneHot": (1, "depth"), "Squeeze": (1, "axes"), "Unsqueeze": (1, "axes"),
                   "Dropout": (2, "training_mode")} | dict.fromkeys(REDUCTIONS, (1, "axes"))  # fmt: skip
"""Inputs that must be known when the engine is built."""
ONE_OUTPUT = ("MaxPool", "BatchNormalization", "LayerNormalization")
"""Operators of which only the first output is computed."""


def attributes(view: View) -> Iterator[tuple[str, str]]:
    """Values of attributes that the parser refuses."""
    for node in _own(view):
        for operators, name, takes, holds in ATTRIBUTES:
            value = attribute(node, name) if node.op_type in operators else None
            if value is not None and not holds(value):
                yield label(node), f"{node.op_type} with {name}={value}; the parser takes {takes}"
        nearest = attribute(node, "nearest_mode", "round_prefer_floor")
        transform = attribute(node, "coordinate_transformation_mode")
        if node.op_type == "Resize" and transform == "tf_half_pixel_for_nn" and nearest != "round_prefer_floor":
            yield label(node), f"tf_half_pixel_for_nn with nearest_mode={nearest}; it goes with round_prefer_floor only"


def constant_inputs(view: View) -> Iterator[tuple[str, str]]:
    """Inputs that are computed at run time and must not be."""
    for node in _own(view):
        index, what = CONSTANT_INPUTS.get(node.op_type, (0, ""))
        name = node.input[index] if what and len(node.input) > index else ""
        if name and name not in view.constants:
            yield label(node), f"{what} of {node.op_type} ({name}) is computed at run time"


def extra_outputs(view: View) -> Iterator[tuple[str, str]]:
    """Second outputs that are not computed."""
    for node in _own(view):
        if node.op_type in ONE_OUTPUT and any(node.output[1:]):
            yield label(node), f"{node.op_type} with {sum(map(bool, node.output))} outputs; only the first is computed"


def spatial_rank(view: View) -> Iterator[tuple[str, str]]:
    """Pooling of other than two or three spatial dimensions."""
    for node in _own(view):
        shape = view.shapes.get(node.input[0]) if node.input else None
        if node.op_type in ("MaxPool", "AveragePool") and shape is not None and len(shape) not in (4, 5):
            yield label(node), f"{node.op_type} over {len(shape) - 2} dimensions; only 2 and 3 are supported"


def _own(view: View) -> Iterator[onnx.NodeProto]:
    yield from (node for node in view.nodes if node.domain in DEFAULT)
