"""A quantizer."""

from typing import ClassVar

import numpy as np
import onnx

from exporter.quantization import QuantizationNode
from exporter.quantization.quantized import Quantized
from exporter.quantization.task import Task


class Rounded(QuantizationNode):
    needs_calibration: ClassVar[bool] = True
    bounds: ClassVar[dict[str, float]] = {"mean_score_error": 1e-3}

    bits: int

    def quantize(self, task: Task) -> Quantized:
        assert task.images is not None
        assert sum(len(images) for images in task.images) == 4
        core = onnx.ModelProto()
        core.CopyFrom(task.core)
        for tensor in core.graph.initializer:
            if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) == 4:
                fraction, exponent = np.frexp(onnx.numpy_helper.to_array(tensor))
                array = np.ldexp(np.round(fraction * 2**self.bits) / 2**self.bits, exponent).astype(np.float32)
                tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
        return Quantized(core, {"precision": f"{self.bits} bits of fraction"})
