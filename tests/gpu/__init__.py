"""The way from a build to detections on a GPU, in ONNX Runtime's CUDA provider. `.ci/gpu` runs it; without a CUDA device all
of it is skipped, with the reason. It was never run since it was written: no GPU was at hand."""
