"""From an artifact to a serialized engine, with NVIDIA's own Python packages where they are installed.

Written to the documented API of TensorRT 10 and 11, and tested with the compiler of TensorRT for RTX; not run on a GPU.
"""
