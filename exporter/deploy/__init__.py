"""For those who run an artifact: programs in their language, configurations of their servers, the TensorRT engine.

Written from the manifest alone.
"""
