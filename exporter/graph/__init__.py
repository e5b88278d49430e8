"""Passes on ONNX graphs, one a file: a model in, another out; nothing changes the model it was given.

Nothing here knows recipes, NMS options or backends.
"""
