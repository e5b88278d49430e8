"""Spoilers of an INT8 graph's scales, zero points and integers. Each changes a graph in place."""

import numpy as np
import onnx

from tests.proof.edits import before, give, store, stored

EARLY = "backbone.stage1.blocks.conv1/Relu"
LAYER = "backbone.stage2.downsample.rbr_reparam"


def _scaled(model: onnx.ModelProto, name: str, factor: float | np.ndarray) -> None:
    store(model, name, (stored(model, name) * factor).astype(np.float32))


def one_scale_doubled_for_readers(model: onnx.ModelProto) -> None:
    give(model, f"{EARLY}/DequantizeLinear", 1, 2 * stored(model, f"{EARLY}/scale"))


def one_scale_doubled_for_the_writer(model: onnx.ModelProto) -> None:
    give(model, f"{EARLY}/QuantizeLinear", 1, 2 * stored(model, f"{EARLY}/scale"))


def one_zero_point_shifted_for_readers(model: onnx.ModelProto) -> None:
    give(model, f"{EARLY}/DequantizeLinear", 2, stored(model, f"{EARLY}/zero_point") + 1)


def one_range_a_quarter_as_wide(model: onnx.ModelProto) -> None:
    _scaled(model, f"{EARLY}/scale", 0.25)


def scales_of_two_tensors_swapped(model: onnx.ModelProto) -> None:
    first, second = "backbone.stem.conv/Relu/scale", "backbone.stage1.blocks.bottlenecks.0.cv2/Relu/scale"
    one, other = stored(model, first), stored(model, second)
    store(model, first, other)
    store(model, second, one)


def bgr_for_rgb(model: onnx.ModelProto) -> None:
    before(model, "backbone.stem.conv.rbr_reparam/Conv/aligned/Pad", 0, "Gather", np.array([2, 1, 0]), axis=1)


def the_inputs_scale_doubled(model: onnx.ModelProto) -> None:
    _scaled(model, "images/scale", 2)


def scale_of_one_channels_weights_doubled(model: onnx.ModelProto) -> None:
    scales = stored(model, f"{LAYER}.weight/scale")
    _scaled(model, f"{LAYER}.weight/scale", np.where(np.arange(len(scales)) == 3, 2, 1))


def scales_of_channels_backwards(model: onnx.ModelProto) -> None:
    store(model, f"{LAYER}.weight/scale", stored(model, f"{LAYER}.weight/scale")[::-1])


def weights_of_channels_backwards(model: onnx.ModelProto) -> None:
    store(model, f"{LAYER}.weight/quantized", stored(model, f"{LAYER}.weight/quantized")[::-1])


def weights_of_one_layer_a_quarter(model: onnx.ModelProto) -> None:
    store(model, f"{LAYER}.weight/quantized", stored(model, f"{LAYER}.weight/quantized") // 4)


def one_bias_zeroed(model: onnx.ModelProto) -> None:
    store(model, f"{LAYER}.bias/quantized", 0 * stored(model, f"{LAYER}.bias/quantized"))


def one_bias_in_the_scale_of_another(model: onnx.ModelProto) -> None:
    _scaled(model, f"{LAYER}.bias/scale", 4)
