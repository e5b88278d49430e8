"""Spoilers of the geometry inside a graph: the way from a raw image to the input, and boxes' way back. Each changes a graph
in place."""

import numpy as np
import onnx

from tests.proof.edits import behind, give, node


def _resize(model: onnx.ModelProto, **attributes: object) -> None:
    resize = node(model, "frame/Resize")
    kept = [each for each in resize.attribute if each.name not in attributes]
    del resize.attribute[:]
    resize.attribute.extend([*kept, *(onnx.helper.make_attribute(key, value) for key, value in attributes.items())])


def padding_below_and_right(model: onnx.ModelProto) -> None:
    give(model, "frame/Div_2", 1, [10**6])


def padding_of_another_grey(model: onnx.ModelProto) -> None:
    give(model, "frame/Pad", 2, 0)


def no_margin(model: onnx.ModelProto) -> None:
    give(model, "frame/Div", 0, [96, 96])


def nearest_for_linear(model: onnx.ModelProto) -> None:
    _resize(model, mode="nearest")


def pixels_counted_from_their_corners(model: onnx.ModelProto) -> None:
    _resize(model, coordinate_transformation_mode="asymmetric")


def corners_aligned(model: onnx.ModelProto) -> None:
    _resize(model, coordinate_transformation_mode="align_corners")


def antialiased(model: onnx.ModelProto) -> None:
    _resize(model, antialias=1)


def grey_levels_cut_off(model: onnx.ModelProto) -> None:
    node(model, "frame/Round_2").op_type = "Floor"


def new_size_rounded_down(model: onnx.ModelProto) -> None:
    node(model, "frame/Round").op_type = "Floor"


def new_size_rounded_up(model: onnx.ModelProto) -> None:
    node(model, "frame/Round").op_type = "Ceil"


def frame_in_bgr(model: onnx.ModelProto) -> None:
    behind(model, "images", "Gather", np.array([2, 1, 0]), axis=3)


def boxes_not_scaled_back(model: onnx.ModelProto) -> None:
    give(model, "boxes/Div", 1, np.ones(4))


def boxes_keep_the_padding(model: onnx.ModelProto) -> None:
    give(model, "boxes/Sub", 1, np.zeros(4))


def offsets_of_x_and_y_swapped(model: onnx.ModelProto) -> None:
    give(model, "frame/Gather", 1, [0, 1, 0, 1])


def scales_of_x_and_y_swapped(model: onnx.ModelProto) -> None:
    give(model, "frame/Gather_2", 1, [0, 1, 0, 1])


def boxes_not_clipped(model: onnx.ModelProto) -> None:
    give(model, "boxes/Min", 1, np.full(4, 1e6))


def boxes_clipped_to_the_input(model: onnx.ModelProto) -> None:
    give(model, "boxes/Min", 1, np.full(4, 96.0))
