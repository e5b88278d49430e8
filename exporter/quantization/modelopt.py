"""INT8 by the calibrators of nvidia-modelopt, for TensorRT."""

from importlib import import_module
from typing import TYPE_CHECKING, ClassVar

from exporter.quantization.torch_package_quantizer import TorchPackageQuantizer

if TYPE_CHECKING:
    from torch import nn


class ModelOpt(TorchPackageQuantizer):
    """conf/quantization/modelopt.yaml says what the fields are."""

    package: ClassVar[str | None] = "nvidia-modelopt"
    modules: ClassVar[tuple[str, ...]] = ("modelopt", "requests", "huggingface_hub")  # it imports the last two unasked
    remedy: ClassVar[str] = 'pip install "exporter[modelopt]"'

    def _quantizer(self, calibrator: str) -> "nn.Module":
        config = import_module("modelopt.torch.quantization.config")
        nn = import_module("modelopt.torch.quantization.nn")
        attributes = config.QuantizerAttributeConfig(num_bits=8, axis=None, calibrator=calibrator)
        return nn.TensorQuantizer(attributes, if_quant=False, if_calib=True)
