"""Spoilers of what stands before the NMS: the input's values, the layers, the anchors. Each changes a graph in place."""

import numpy as np
import onnx

from tests.proof.edits import before, behind, give, node, store, stored

STEM = "backbone.stem.conv.rbr_reparam"
LAYER = "backbone.stage2.downsample.rbr_reparam"
UP = "neck.neck1.upsample"
BACKWARDS = (np.array([-1]), np.array([np.iinfo(np.int64).min]))
"""Slice's start and end for a whole axis, last one first."""


def bgr_for_rgb(model: onnx.ModelProto) -> None:
    before(model, f"{STEM}/Conv", 0, "Gather", np.array([2, 1, 0]), axis=1)


def normalised_twice(model: onnx.ModelProto) -> None:
    before(model, f"{STEM}/Conv", 0, "Mul", np.float32(1 / 255))


def another_familys_mean(model: onnx.ModelProto) -> None:
    before(model, f"{STEM}/Conv", 0, "Sub", np.array([123.675, 116.28, 103.53], np.float32).reshape(1, 3, 1, 1))


def another_familys_deviation(model: onnx.ModelProto) -> None:
    before(model, f"{STEM}/Conv", 0, "Mul", (255 / np.array([228, 224, 225], np.float32)).reshape(1, 3, 1, 1))


def over_256_for_255(model: onnx.ModelProto) -> None:
    before(model, f"{STEM}/Conv", 0, "Mul", np.float32(255 / 256))


def images_one_pixel_to_the_right(model: onnx.ModelProto) -> None:
    before(model, f"{STEM}/Conv", 0, "Gather", np.array([0, *range(95)]), axis=3)


def first_image_for_all(model: onnx.ModelProto) -> None:
    before(model, "stem/Conv", 0, "Gather", np.array([0, 0]), axis=0)  # of the tiny network, of any batch


def one_layers_weights_halved(model: onnx.ModelProto) -> None:
    store(model, f"{LAYER}.weight", stored(model, f"{LAYER}.weight") / 2)


def one_bias_zeroed(model: onnx.ModelProto) -> None:
    store(model, f"{LAYER}.bias", 0 * stored(model, f"{LAYER}.bias"))


def one_activation_left_out(model: onnx.ModelProto) -> None:
    next(each for each in model.graph.node if each.op_type == "Relu").op_type = "Identity"


def one_shortcut_left_out(model: onnx.ModelProto) -> None:
    shortcut = next(each for each in model.graph.node if each.op_type == "Add" and "bottlenecks" in each.name)
    before(model, shortcut.name, 0, "Mul", np.float32(0))


def upsampling_mirrored(model: onnx.ModelProto) -> None:
    up = next(each for each in model.graph.node if each.op_type == "ConvTranspose")
    store(model, up.input[1], stored(model, up.input[1])[:, :, ::-1, ::-1])


def averages_for_maxima(model: onnx.ModelProto) -> None:
    pool = next(each for each in model.graph.node if each.op_type == "MaxPool")
    kept = [each for each in pool.attribute if each.name in ("kernel_shape", "pads", "strides")]
    pool.op_type = "AveragePool"
    del pool.attribute[:]
    pool.attribute.extend(kept)


def classes_in_reverse_order(model: onnx.ModelProto) -> None:
    behind(model, "class_logits", "Gather", np.arange(8)[::-1], axis=1)


def classes_shifted_by_one(model: onnx.ModelProto) -> None:
    behind(model, "class_logits", "Gather", np.roll(np.arange(8), 1), axis=1)


def one_class_dropped(model: onnx.ModelProto) -> None:
    lowered = np.where(np.arange(8) == 3, -100, 0).astype(np.float32)
    behind(model, "class_logits", "Add", lowered[:, None])


def sigmoid_twice(model: onnx.ModelProto) -> None:
    behind(model, "class_logits", "Sigmoid")


def logits_two_percent_lower(model: onnx.ModelProto) -> None:
    behind(model, "class_logits", "Mul", np.float32(0.98))


def left_and_right_swapped(model: onnx.ModelProto) -> None:
    bins = np.arange(68).reshape(4, 17)
    behind(model, "box_logits", "Gather", bins[[2, 1, 0, 3]].ravel(), axis=1)


def anchors_half_a_pixel_off(model: onnx.ModelProto) -> None:
    store(model, "anchors", stored(model, "anchors") + np.array([0.5, 0.5, 0], np.float32))


def anchors_at_the_corners_of_their_cells(model: onnx.ModelProto) -> None:
    anchors = stored(model, "anchors")
    anchors[:, :2] -= anchors[:, 2:] / 2
    store(model, "anchors", anchors)


def two_anchors_swapped(model: onnx.ModelProto) -> None:
    anchors = stored(model, "anchors")
    store(model, "anchors", np.concatenate([anchors[1::-1], anchors[2:]]))


def one_levels_stride_doubled(model: onnx.ModelProto) -> None:
    anchors = stored(model, "anchors")
    anchors[anchors[:, 2] == 16, 2] = 32
    store(model, "anchors", anchors)


def bins_counted_from_one(model: onnx.ModelProto) -> None:
    give(model, "nms/Mul", 1, np.arange(1, 18)[:, None])


def softmax_over_the_sides(model: onnx.ModelProto) -> None:
    # The distribution's sum then runs over left, top, right and bottom instead of over the bins.
    give(model, "nms/ReduceSum_2", 1, [1])
    node(model, "nms/ReduceSum_2").attribute[0].i = 1
    behind(model, "nms/ReduceSum_2", "ReduceSum", np.array([2]), keepdims=0)
