"""Everything that edits an ONNX graph, one pass a file. Nothing changes the model it was given."""
