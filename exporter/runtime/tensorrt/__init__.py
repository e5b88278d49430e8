"""NVIDIA's own parser, compiler and runtime, of TensorRT 10 and 11 and of TensorRT for RTX: one API, with small
differences that `library` knows.

Not here: what an artifact for them has to be (`backend`), and the engine's file beside it (`deploy`).
"""
