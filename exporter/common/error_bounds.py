"""How far the outputs of a network may move in each precision: what the proof bounds where a recipe says nothing. The
keys are those of `conf/proof`: scores in 0..1, boxes in pixels, mAP in points of 100."""

FLOAT32 = {"max_score_error": 1e-3, "max_box_error": 0.05, "max_map_drop": 0.1, "max_score_shift": 1e-3}
"""Float32 twice, in another order of operations; boxes reach 640 px, where a float32 ends at 6e-5 px."""

FLOAT16 = {
    "max_score_error": 0.01, "mean_score_error": 3e-4, "mean_box_error": 0.1, "max_map_drop": 0.2,
    "max_score_shift": 0.005,
}  # fmt: skip
"""Of the demo weights at 640 px in ONNX Runtime: scores 4e-3 at most and 2e-5 on average, boxes 0.02 px on average, mAP
0.06 points. No bound on the largest error of a box: where the network sees nothing, a box means nothing (one of score
0.015 is off by 4.9 px; of those above 0.1 none by more than 0.2)."""

INT8 = {"mean_score_error": 0.01, "mean_box_error": 8.0, "max_map_drop": 1.0, "max_score_shift": 0.05}
"""Of the demo weights at 320 px the median score moves by 0.002 at most; a fifth less of each is 0.18."""
