"""Core graphs whose class logits go through something else before they are scores."""

import numpy as np
import onnx
from onnx import helper, numpy_helper


def through(core: onnx.ModelProto, steps: list[tuple[str, float | None]]) -> onnx.ModelProto:
    """A copy in which `steps` follow the class logits: operators, each with its second input where it has one."""
    spoiled = onnx.ModelProto()
    spoiled.CopyFrom(core)
    graph, last = spoiled.graph, "class_logits/own"
    for node in graph.node:
        node.output[:] = [last if name == "class_logits" else name for name in node.output]
    for i, (operator, value) in enumerate(steps):
        inputs = [last]
        if value is not None:
            inputs.append(f"class_logits/{i}/value")
            graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), inputs[1]))
        last = "class_logits" if i == len(steps) - 1 else f"class_logits/{i}"
        graph.node.append(helper.make_node(operator, inputs, [last], last))
    return spoiled


def squeezed(core: onnx.ModelProto, factor: float) -> onnx.ModelProto:
    """A copy that gives `factor` times each score: log(1 / (1 / score - 1))."""
    return through(
        core,
        [("Sigmoid", None), ("Mul", factor), ("Reciprocal", None), ("Sub", 1.0), ("Reciprocal", None), ("Log", None)],
    )
