"""NVIDIA's parser as a program of its own, since somebody else's file may kill it.

Reads a serialized ONNX model from standard input; the last line of its output is JSON: what the parser said, or null.
"""

import json
import sys

from exporter.common.errors import BuildError
from exporter.runtime.tensorrt.library import installed
from exporter.runtime.tensorrt.network import parsed


def main() -> None:
    """See the module."""
    library = installed("tensorrt_rtx")
    assert library is not None  # whoever starts this has looked
    try:
        parsed(library, sys.stdin.buffer.read())
        print("\nnull", flush=True)
    except BuildError as error:
        print("\n" + json.dumps(str(error).removeprefix(f"{library.label} ")), flush=True)


if __name__ == "__main__":
    main()
