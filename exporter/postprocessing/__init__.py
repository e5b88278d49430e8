"""From what a network computes to what an application takes, inside the graph: NMS and output format.

Not how detections are judged: that is `exporter.evaluation` and `exporter.proof`.

    core ── OnnxNms.attach ──▶ kept_boxes, kept_scores, kept_classes, num_kept ── format.attach ──▶ final outputs
         └─ NoNms.attach ──▶ pred_boxes, pred_scores

`nms/` and `format/` hold one node a file, `reference.py` says the same in plain numpy, and `agreement.py` says which
differences between the two are rounding. A core graph has the outputs `box_logits`, `class_logits`, `anchors` (raw) or
`boxes`, `scores` (decoded), as `exporter.graph.trace` writes them; their names stay, whatever is attached.
"""
