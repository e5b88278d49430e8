"""Artifacts that are spoiled in one way each, and the question of the proof that each fails.

What is not here since it rightly passes: a confidence threshold that is compared with ≥ (two computations of a score
part by more than its last bit, and TensorRT's plugin does it so), and a zero point or a scale that is another one
wherever it is read and written (a range that was chosen otherwise; a bias in the old scale gives it away).
"""

from collections.abc import Callable

import onnx
import pytest

from exporter.common.errors import BuildError
from tests.graph.test_halves import fed, hold_together
from tests.proof import spoil_detections as d
from tests.proof import spoil_frame as f
from tests.proof import spoil_int8 as q
from tests.proof import spoil_network as n
from tests.proof.bases import SMALL, TRAINED, base

Spoiler = Callable[[onnx.ModelProto], None]
ROWS = "not what the contract of the NMS gives"
PIXELS = "not those that OpenCV gives"
BACK = "pixels of the raw image away"
DECODE = "not what the network's own tensors decode to"
IMAGES = "rows of flat_predictions are not those of the images"
UNUSED = "rows from num_predictions on are not -1"
OUTPUTS = "its outputs are"
GRID = "anchors are not the centres of one grid"
BIAS = "not in the scale of its input times that of its weights"
# By base: the spoilers, and what the proof says of them.
SPOILED: dict[str, dict[Spoiler, str]] = {
    "float": {
        n.bgr_for_rgb: "max_score_error",
        n.normalised_twice: "max_score_error",
        n.another_familys_mean: "max_score_error",
        n.another_familys_deviation: "max_score_error",
        n.over_256_for_255: "max_score_error",
        n.images_one_pixel_to_the_right: "max_score_error",
        n.one_layers_weights_halved: "max_score_error",
        n.one_bias_zeroed: "max_score_error",
        n.one_activation_left_out: "max_score_error",
        n.one_shortcut_left_out: "max_score_error",
        n.upsampling_mirrored: "max_score_error",
        n.averages_for_maxima: "max_score_error",
        n.classes_in_reverse_order: "max_score_error",
        n.classes_shifted_by_one: "max_score_error",
        n.one_class_dropped: "max_score_error",
        n.sigmoid_twice: "max_score_error",
        n.logits_two_percent_lower: "max_score_error",
        n.left_and_right_swapped: "max_box_error",
        n.anchors_half_a_pixel_off: "max_box_error",
        n.anchors_at_the_corners_of_their_cells: "max_box_error",
        n.two_anchors_swapped: "max_box_error",
        n.one_levels_stride_doubled: "max_box_error",
        n.bins_counted_from_one: ROWS,
        n.softmax_over_the_sides: ROWS,
    },
    "int8": {
        q.bgr_for_rgb: "red and blue swapped",
        q.one_scale_doubled_for_readers: "another scale than",
        q.one_scale_doubled_for_the_writer: "another scale than",
        q.one_zero_point_shifted_for_readers: "another zero point than",
        q.one_range_a_quarter_as_wide: BIAS,
        q.scales_of_two_tensors_swapped: BIAS,
        q.the_inputs_scale_doubled: BIAS,
        q.scale_of_one_channels_weights_doubled: BIAS,
        q.scales_of_channels_backwards: BIAS,
        q.one_bias_in_the_scale_of_another: BIAS,
        q.weights_of_channels_backwards: "max_map_drop",
        q.weights_of_one_layer_a_quarter: "max_map_drop",
        q.one_bias_zeroed: "max_map_drop",
        n.classes_in_reverse_order: "mean_score_error",
        n.one_class_dropped: "max_map_drop",
        n.left_and_right_swapped: "max_map_drop",
        n.anchors_at_the_corners_of_their_cells: "max_map_drop",
        n.anchors_half_a_pixel_off: GRID,
        n.two_anchors_swapped: GRID,
        n.one_levels_stride_doubled: GRID,
    },
    "batch": {
        n.first_image_for_all: "max_score_error",
        d.nms_threshold_lower: ROWS,
        d.nms_threshold_higher: ROWS,
        d.confidence_threshold_higher: ROWS,
        d.fewer_boxes_before_nms: ROWS,
        d.one_class_never_kept: ROWS,
        d.one_detection_less_at_most: ROWS,
        d.one_detection_less: ROWS,
        d.one_detection_more: "num_predictions is 21",
        d.boxes_by_centre_and_size: ROWS,
        d.x_and_y_swapped: ROWS,
        d.boxes_in_parts_of_the_input: ROWS,
        d.boxes_clipped: ROWS,
        d.boxes_of_the_other_image: ROWS,
        d.images_swapped: ROWS,
        d.classes_counted_from_one: ROWS,
        d.scores_before_the_sigmoid: ROWS,
        d.unused_boxes_are_0: UNUSED,
        d.unused_scores_are_0: UNUSED,
        d.unused_classes_are_0: UNUSED,
        d.first_rows_swapped: "order of their scores",
        d.classes_as_float: "pred_classes is float32",
        d.scores_in_float16: "pred_scores is float16",
        d.number_in_int32: "num_predictions is int32",
        d.number_without_a_second_dimension: "num_predictions has the shape",
        d.outputs_in_another_order: OUTPUTS,
        d.one_output_missing: OUTPUTS,
        d.one_output_of_another_name: OUTPUTS,
    },
    "flat": {
        d.image_index_counted_from_one: ROWS,
        d.image_index_always_0: ROWS,
        d.rows_backwards: "order of their scores",
        d.rows_by_score_over_all_images: IMAGES,
        d.rows_of_no_image: IMAGES,
        d.score_behind_class: ROWS,
        d.last_row_missing: ROWS,
        d.rows_in_float64: "flat_predictions is float64",
        d.rows_without_an_image_index: "flat_predictions has the shape",
    },
    "raw": {
        d.raw_boxes_by_centre_and_size: DECODE,
        d.raw_boxes_half_a_pixel_off: DECODE,
        d.raw_boxes_backwards: DECODE,
        d.raw_scores_before_the_sigmoid: DECODE,
        d.raw_classes_in_reverse_order: DECODE,
        d.raw_images_swapped: DECODE,
        d.raw_scores_transposed: DECODE,
        d.raw_scores_in_float16: "pred_scores is float16",
    },
    "frame": {
        f.padding_below_and_right: PIXELS,
        f.padding_of_another_grey: PIXELS,
        f.no_margin: PIXELS,
        f.nearest_for_linear: PIXELS,
        f.pixels_counted_from_their_corners: PIXELS,
        f.corners_aligned: PIXELS,
        f.antialiased: PIXELS,
        f.grey_levels_cut_off: "grey levels off",
        f.new_size_rounded_down: PIXELS,
        f.new_size_rounded_up: PIXELS,
        f.frame_in_bgr: PIXELS,
        f.boxes_not_scaled_back: BACK,
        f.boxes_keep_the_padding: BACK,
        f.offsets_of_x_and_y_swapped: BACK,
        f.scales_of_x_and_y_swapped: BACK,
        f.boxes_not_clipped: BACK,
        f.boxes_clipped_to_the_input: BACK,
    },
    "plugin": {
        d.plugin_suppresses_across_classes: ROWS,
        d.plugin_with_a_lower_nms_threshold: ROWS,
        d.plugin_with_a_higher_confidence_threshold: ROWS,
        d.plugin_that_makes_scores_of_scores: ROWS,
        d.plugin_that_keeps_one_less: ROWS,
        d.plugin_that_takes_centres_and_sizes: "only boxes given by corners",
        d.plugins_classes_counted_from_one: ROWS,
        d.plugins_classes_in_int64: "pred_classes is int64",
    },
}
CASES = [(name, spoil) for name, spoilers in SPOILED.items() for spoil in spoilers]


@pytest.mark.parametrize("name", [*TRAINED, *SMALL])
def test_unspoiled(name):
    base(name).prove(base(name).model)


@pytest.mark.parametrize("name", [*TRAINED, *SMALL])
def test_in_halves_they_are_what_they_are_whole(name):
    model = base(name).model
    hold_together(model.SerializeToString(), fed(model))


@pytest.mark.parametrize(("name", "spoil"), CASES, ids=[f"{name}-{spoil.__name__}" for name, spoil in CASES])
def test_spoiled(name, spoil):
    spoiled = onnx.ModelProto()
    spoiled.CopyFrom(base(name).model)
    spoil(spoiled)
    with pytest.raises(BuildError, match=SPOILED[name][spoil]):
        base(name).prove(spoiled)
