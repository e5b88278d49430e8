"""Spoilers of what the NMS decides and of how detections leave the graph. Each changes a graph in place."""

import numpy as np
import onnx
from onnx import TensorProto

from tests.proof.edits import before, behind, cast, declare, give, node
from tests.proof.spoil_network import BACKWARDS

CENTRE_AND_SIZE = np.array([[0.5, 0, -1, 0], [0, 0.5, 0, -1], [0.5, 0, 1, 0], [0, 0.5, 0, 1]], np.float32)
"""x1, y1, x2, y2 times this are x, y of the centre, width and height."""
BATCH = ("pred_boxes", "pred_scores", "pred_classes")


# What the NMS decides.


def nms_threshold_lower(model: onnx.ModelProto) -> None:
    give(model, "nms/NonMaxSuppression", 3, 0.6)


def nms_threshold_higher(model: onnx.ModelProto) -> None:
    give(model, "nms/NonMaxSuppression", 3, 0.8)


def confidence_threshold_higher(model: onnx.ModelProto) -> None:
    give(model, "nms/Greater_2", 1, 0.6)  # the first one ranks the boxes that are looked at


def fewer_boxes_before_nms(model: onnx.ModelProto) -> None:
    for name in ("nms/TopK", "nms/TopK_2"):
        give(model, name, 1, [25])


def one_class_never_kept(model: onnx.ModelProto) -> None:
    behind(model, "nms/ScatterND", "Mul", np.array([0, 1, 1], np.float32).reshape(1, 3, 1))


def one_detection_less_at_most(model: onnx.ModelProto) -> None:
    behind(model, "num_predictions", "Min", np.array(19))


def plugin_suppresses_across_classes(model: onnx.ModelProto) -> None:
    _plugin(model, class_agnostic=1)


def plugin_with_a_lower_nms_threshold(model: onnx.ModelProto) -> None:
    _plugin(model, iou_threshold=0.6)


def plugin_with_a_higher_confidence_threshold(model: onnx.ModelProto) -> None:
    _plugin(model, score_threshold=0.6)


def plugin_that_makes_scores_of_scores(model: onnx.ModelProto) -> None:
    _plugin(model, score_activation=1)


def plugin_that_keeps_one_less(model: onnx.ModelProto) -> None:
    _plugin(model, max_output_boxes=19)


def plugin_that_takes_centres_and_sizes(model: onnx.ModelProto) -> None:
    _plugin(model, box_coding=1)


def plugins_classes_counted_from_one(model: onnx.ModelProto) -> None:
    behind(model, "pred_classes", "Add", np.array(1, np.int32))


def plugins_classes_in_int64(model: onnx.ModelProto) -> None:
    cast(model, "pred_classes", TensorProto.INT64)


def _plugin(model: onnx.ModelProto, **attributes: float) -> None:
    plugin = next(each for each in model.graph.node if each.op_type == "EfficientNMS_TRT")
    for attribute in plugin.attribute:
        if attribute.name in attributes:
            attribute.CopyFrom(onnx.helper.make_attribute(attribute.name, attributes[attribute.name]))


# The batch format.


def one_detection_less(model: onnx.ModelProto) -> None:
    behind(model, "num_predictions", "Sub", np.array(1))
    behind(model, "num_predictions", "Max", np.array(0))


def one_detection_more(model: onnx.ModelProto) -> None:
    behind(model, "num_predictions", "Add", np.array(1))


def boxes_by_centre_and_size(model: onnx.ModelProto) -> None:
    behind(model, "pred_boxes", "MatMul", CENTRE_AND_SIZE)


def x_and_y_swapped(model: onnx.ModelProto) -> None:
    behind(model, "pred_boxes", "Gather", np.array([1, 0, 3, 2]), axis=2)


def boxes_in_parts_of_the_input(model: onnx.ModelProto) -> None:
    behind(model, "pred_boxes", "Mul", np.float32(1 / 96))


def boxes_clipped(model: onnx.ModelProto) -> None:
    behind(model, "pred_boxes", "Min", np.float32(96))


def boxes_of_the_other_image(model: onnx.ModelProto) -> None:
    behind(model, "pred_boxes", "Slice", *BACKWARDS, np.array([0]), np.array([-1]))


def images_swapped(model: onnx.ModelProto) -> None:
    for output in ("num_predictions", *BATCH):
        behind(model, output, "Slice", *BACKWARDS, np.array([0]), np.array([-1]))


def classes_counted_from_one(model: onnx.ModelProto) -> None:
    before(model, "format/Where_3", 1, "Add", np.array(1))


def scores_before_the_sigmoid(model: onnx.ModelProto) -> None:
    for operator, value in (("Reciprocal", None), ("Sub", 1), ("Log", None), ("Neg", None)):
        more = () if value is None else (np.float32(value),)
        before(model, "format/Where_2", 1, operator, *more)


def unused_boxes_are_0(model: onnx.ModelProto) -> None:
    give(model, "format/Where", 2, 0)


def unused_scores_are_0(model: onnx.ModelProto) -> None:
    give(model, "format/Where_2", 2, 0)


def unused_classes_are_0(model: onnx.ModelProto) -> None:
    give(model, "format/Where_3", 2, 0)


def first_rows_swapped(model: onnx.ModelProto) -> None:
    for output in BATCH:
        behind(model, output, "Gather", np.array([1, 0, *range(2, 20)]), axis=1)


def classes_as_float(model: onnx.ModelProto) -> None:
    cast(model, "pred_classes", TensorProto.FLOAT)


def scores_in_float16(model: onnx.ModelProto) -> None:
    cast(model, "pred_scores", TensorProto.FLOAT16)


def _number_apart(model: onnx.ModelProto) -> None:
    """The output is a tensor of its own: the format goes on with the number as it was."""
    behind(model, "num_predictions", "Identity")
    apart = next(each for each in model.graph.node if "num_predictions" in each.output)
    node(model, "format/Less").input[1] = apart.input[0]


def number_in_int32(model: onnx.ModelProto) -> None:
    _number_apart(model)
    cast(model, "num_predictions", TensorProto.INT32)


def number_without_a_second_dimension(model: onnx.ModelProto) -> None:
    _number_apart(model)
    behind(model, "num_predictions", "Reshape", np.array([-1]))
    declare(model, "num_predictions", TensorProto.INT64, ["batch"])


def outputs_in_another_order(model: onnx.ModelProto) -> None:
    outputs = list(model.graph.output)
    del model.graph.output[:]
    model.graph.output.extend([outputs[0], outputs[2], outputs[1], outputs[3]])


def one_output_missing(model: onnx.ModelProto) -> None:
    del model.graph.output[3]


def one_output_of_another_name(model: onnx.ModelProto) -> None:
    model.graph.node.append(onnx.helper.make_node("Identity", ["pred_classes"], ["labels"], "spoiled"))
    model.graph.output[3].name = "labels"


# The flat format.


def image_index_counted_from_one(model: onnx.ModelProto) -> None:
    behind(model, "flat_predictions", "Add", np.array([1, 0, 0, 0, 0, 0, 0], np.float32))


def image_index_always_0(model: onnx.ModelProto) -> None:
    behind(model, "flat_predictions", "Mul", np.array([0, 1, 1, 1, 1, 1, 1], np.float32))


def rows_backwards(model: onnx.ModelProto) -> None:
    behind(model, "flat_predictions", "Slice", *BACKWARDS, np.array([0]), np.array([-1]))


def rows_by_score_over_all_images(model: onnx.ModelProto) -> None:
    behind(model, "flat_predictions", "Identity")
    ranked = [
        onnx.helper.make_node("Gather", ["flat/own", "five"], ["flat/scores"], axis=1),
        onnx.helper.make_node("Shape", ["flat/scores"], ["flat/rows"], start=0, end=1),
        onnx.helper.make_node("TopK", ["flat/scores", "flat/rows"], ["flat/best", "flat/rank"], axis=0),
        onnx.helper.make_node("Squeeze", ["flat/rank", "one"], ["flat/order"]),
        onnx.helper.make_node("Gather", ["flat/own", "flat/order"], ["flat_predictions"], axis=0),
    ]
    model.graph.node[-1].output[0] = "flat/own"
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(np.array([value]), name) for name, value in (("five", 5), ("one", 1))
    )
    model.graph.node.extend(ranked)


def score_behind_class(model: onnx.ModelProto) -> None:
    behind(model, "flat_predictions", "Gather", np.array([0, 1, 2, 3, 4, 6, 5]), axis=1)


def last_row_missing(model: onnx.ModelProto) -> None:
    behind(model, "flat_predictions", "Slice", np.array([0]), np.array([-1]), np.array([0]))


def rows_of_no_image(model: onnx.ModelProto) -> None:
    behind(model, "flat_predictions", "Pad", np.array([0, 0, 3, 0]), np.float32(-1))


def rows_in_float64(model: onnx.ModelProto) -> None:
    cast(model, "flat_predictions", TensorProto.DOUBLE)


def rows_without_an_image_index(model: onnx.ModelProto) -> None:
    behind(model, "flat_predictions", "Gather", np.arange(1, 7), axis=1)
    declare(model, "flat_predictions", TensorProto.FLOAT, ["detections", 6])


# Without NMS.


def raw_boxes_by_centre_and_size(model: onnx.ModelProto) -> None:
    behind(model, "pred_boxes", "MatMul", CENTRE_AND_SIZE)


def raw_boxes_half_a_pixel_off(model: onnx.ModelProto) -> None:
    behind(model, "pred_boxes", "Add", np.float32(0.5))


def raw_boxes_backwards(model: onnx.ModelProto) -> None:
    behind(model, "pred_boxes", "Slice", *BACKWARDS, np.array([1]), np.array([-1]))


def raw_scores_before_the_sigmoid(model: onnx.ModelProto) -> None:
    node(model, "decode/Sigmoid").op_type = "Identity"


def raw_classes_in_reverse_order(model: onnx.ModelProto) -> None:
    behind(model, "pred_scores", "Slice", *BACKWARDS, np.array([2]), np.array([-1]))


def raw_images_swapped(model: onnx.ModelProto) -> None:
    for output in ("pred_boxes", "pred_scores"):
        behind(model, output, "Slice", *BACKWARDS, np.array([0]), np.array([-1]))


def raw_scores_transposed(model: onnx.ModelProto) -> None:
    behind(model, "pred_scores", "Transpose", perm=[0, 2, 1])
    declare(model, "pred_scores", TensorProto.FLOAT, ["batch", 3, 189])


def raw_scores_in_float16(model: onnx.ModelProto) -> None:
    cast(model, "pred_scores", TensorProto.FLOAT16)
