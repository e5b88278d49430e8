"""From a TensorRT artifact to a serialized engine, with TensorRT's own Python package where it is installed.

Written to the documented API of TensorRT 10 and 11 and run against a stand-in of it; not run on a GPU.
"""
