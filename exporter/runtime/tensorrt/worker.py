"""NVIDIA's parser as a program of its own, since somebody else's file may kill it: see `exporter.runtime.child`."""

from exporter.common.errors import BuildError
from exporter.runtime.child import Answer, Arrays, serve
from exporter.runtime.tensorrt.library import installed
from exporter.runtime.tensorrt.network import parsed


def parse(arrays: Arrays) -> Answer:
    """What the parser says of the serialized ONNX model in the one array, null where it takes it."""
    library = installed("tensorrt_rtx")
    assert library is not None  # whoever starts this has looked
    try:
        parsed(library, arrays[0].tobytes())
    except BuildError as error:
        return {"refused": str(error)}, ()
    return {"refused": None}, ()


if __name__ == "__main__":
    serve({"parse": parse}, str)
