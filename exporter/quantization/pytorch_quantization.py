"""INT8 by the calibrators of NVIDIA's original pytorch-quantization, for TensorRT.

Unverified: the package lies on an index of NVIDIA's own and was not at hand. Written after its source and documentation
(2.1 to 2.2) and tried against a stand-in that knows what is documented there and nothing else.
"""

from importlib import import_module
from typing import TYPE_CHECKING, ClassVar

from exporter.quantization.task import Task
from exporter.quantization.torch_package_quantizer import TorchPackageQuantizer

if TYPE_CHECKING:
    from torch import nn


class PytorchQuantization(TorchPackageQuantizer):
    """conf/quantization/pytorch_quantization.yaml says what the fields are."""

    package: ClassVar[str | None] = "pytorch-quantization"
    modules: ClassVar[tuple[str, ...]] = ("pytorch_quantization",)
    remedy: ClassVar[str] = (
        "it comes from NVIDIA's own package index (pip install pytorch-quantization --extra-index-url"
        " https://pypi.ngc.nvidia.com); quantization=modelopt is its successor"
    )

    def _quantizer(self, calibrator: str) -> "nn.Module":
        tensor_quant = import_module("pytorch_quantization.tensor_quant")
        nn = import_module("pytorch_quantization.nn")
        description = tensor_quant.QuantDescriptor(num_bits=8, axis=None, calib_method=calibrator)
        return nn.TensorQuantizer(description, if_quant=False, if_calib=True)

    def _facts(self, task: Task) -> dict[str, str]:
        return {**super()._facts(task), "verified": "not with the package itself, only with a stand-in for it"}
