"""INT8, and float16 for whatever is not on integers: for TensorRT, which then computes nothing of the network in
float32. The scales are float16 too, which ONNX allows from opset 19 on."""

from collections.abc import Collection
from typing import TYPE_CHECKING, ClassVar

from exporter.quantization.int8 import Int8
from exporter.quantization.quantized import Quantized
from exporter.quantization.task import Task

if TYPE_CHECKING:
    import onnx


class Int8Fp16(Int8):
    """conf/quantization/int8_fp16.yaml says what the fields are."""

    only_for: ClassVar[tuple[str, ...]] = ("tensorrt", "tensorrt_rtx")
    minimum_opset: ClassVar[int] = 19

    def quantize(self, task: Task) -> Quantized:
        """The core with its trunk in INT8 and the rest of it, decoding left out, in float16, but for layers whose
        values float16 cannot hold. Raises what `Int8` and `Fp16` raise."""
        from exporter.graph import fp16
        from exporter.graph.fp16_scales import round_scales
        from exporter.quantization import section
        from exporter.quantization.fp16 import beyond
        from exporter.quantization.summary import summarize_fp16

        quantized = super().quantize(task)
        left = beyond(task, fp16.nodes_in_fp16(task.core))
        model = round_scales(quantized.model)
        model = fp16.to_fp16(model, fp16.nodes_in_fp16(model, {*left, *_pairs_about(model, left)}))
        counts = {**dict(quantized.summary), **dict(summarize_fp16(model)), "precision": self.name}
        summary = section.Int8Fp16(**counts, left_in_float32=left)
        return Quantized(model, summary)


def _pairs_about(model: "onnx.ModelProto", left: Collection[str]) -> set[str]:
    """The names of the Q/DQ nodes whose real values come from these nodes or go to them: what is too large for one of
    them is so for the pair. And of those whose scale alone is too large."""
    from onnx import numpy_helper

    from exporter.graph.fp16_scales import beyond_fp16

    quantizing = [node for node in model.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    scales = {node.input[1] for node in quantizing}
    stored = [tensor for tensor in model.graph.initializer if tensor.name in scales]
    large = {tensor.name for tensor in stored if beyond_fp16(numpy_helper.to_array(tensor))}
    producers = {output: node for node in model.graph.node for output in node.output}
    read = {name for node in model.graph.node if node.name in left for name in node.input}
    pairs = {node.name for node in quantizing if node.op_type == "DequantizeLinear" and node.output[0] in read}
    pairs |= {node.name for node in quantizing if node.input[1] in large}
    for node in quantizing:
        source = producers.get(node.input[0])
        if source is not None and source.name in (left if node.op_type == "QuantizeLinear" else pairs):
            pairs.add(node.name)
    return pairs
