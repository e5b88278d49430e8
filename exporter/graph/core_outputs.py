"""What the outputs of a core graph are called, see `exporter.graph.trace`: by these names they are found again in the
finished artifact."""

RAW_OUTPUTS = ("box_logits", "class_logits", "anchors")
DECODED_OUTPUTS = ("boxes", "scores")
INNER = "detections/"
"""Before the names of the batch format's tensors, where code of the user's stands behind them."""
PLUGIN = "EfficientNMS_TRT"
"""TensorRT's operator, whose outputs mean something else in rows that are not used."""
