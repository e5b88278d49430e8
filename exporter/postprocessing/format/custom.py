"""Detections in a user's own format: code behind the NMS, inside the graph."""

from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from exporter.common.errors import RequestError
from exporter.common.user_code import UserCode
from exporter.graph.core_outputs import INNER
from exporter.postprocessing.format import FormatNode

if TYPE_CHECKING:
    import onnx

    from exporter.graph.user_code import UserGraphCode

BATCH = ("num_predictions", "pred_boxes", "pred_scores", "pred_classes")


class CustomFormat(UserCode, FormatNode):
    """The code that `target`, a torch module or an onnxscript function, is or gives for `arguments`. It gets the four
    outputs of `BatchFormat`, in its order, and what it gives is what the artifact gives."""

    readable: ClassVar[bool] = False

    @property
    def code(self) -> "UserGraphCode":
        """Raises RequestError where it cannot be made."""
        return self._made

    @cached_property
    def _made(self) -> "UserGraphCode":
        from exporter.graph.user_code import user_code

        return user_code(self.target, self.arguments, self.label)

    def attach(self, kept: "onnx.ModelProto") -> "onnx.ModelProto":
        """`kept` (what an NMS node returns) with the code's own outputs."""
        from exporter.graph import facts
        from exporter.graph.join import joined, scoped
        from exporter.graph.own_tensor import Tensor
        from exporter.postprocessing.format.batch import BatchFormat

        batch = BatchFormat().attach(kept)
        inputs = {
            value.name: Tensor(described["dtype"], tuple(described["shape"]))
            for value in batch.graph.output
            for described in [facts.tensor(value)]
        }
        own = self.code.graph(inputs, facts.opset(kept))
        outputs = {output.name: output.name for output in own.graph.output}
        taken = {name for node in kept.graph.node for name in node.output} | {value.name for value in kept.graph.input}
        if clash := sorted(outputs.keys() & taken):
            raise RequestError(
                f"postprocessing.format._target_={self.target}: gives {', '.join(clash)}, which the network calls its"
                " own tensors: give another name"
            )
        front = _renamed_outputs(batch)
        return joined(front, scoped(own, "format/own", outputs), {INNER + name: f"format/own/{name}" for name in BATCH})


def _renamed_outputs(batch: "onnx.ModelProto") -> "onnx.ModelProto":
    import onnx_ir as ir

    model = ir.from_proto(batch)
    for value in model.graph.outputs:
        value.name = f"{INNER}{value.name}"
    return ir.to_proto(model)
