"""What the outputs of a core graph are called, see `exporter.graph.trace`: by these names they are found again in the
finished artifact."""

RAW_OUTPUTS = ("box_logits", "class_logits", "anchors")
DECODED_OUTPUTS = ("boxes", "scores")
