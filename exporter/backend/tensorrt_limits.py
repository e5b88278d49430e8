"""What TensorRT can do at most, in numbers."""

MAX_TOP_K = 3839
"""TopK sorts fewer than 3840 (TensorRT's operator reference)."""
