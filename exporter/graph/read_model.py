"""Reading somebody's ONNX file: no more of it than there is, and nothing outside its folder."""

from pathlib import Path
from typing import TYPE_CHECKING

from exporter.common.errors import RequestError
from exporter.common.files import check_file

if TYPE_CHECKING:
    import onnx

MAX_BYTES = 2**31 - 1
"""Protobuf's own limit; larger models keep their weights beside the file."""


def read_model(path: Path) -> "onnx.ModelProto":
    """The model in a file, its external data left where it is. Raises RequestError that begins with the path."""
    import onnx
    from google.protobuf.message import DecodeError

    check_file(path, "give an ONNX file", MAX_BYTES)
    try:
        model = onnx.ModelProto.FromString(path.read_bytes())
    except OSError as error:
        raise RequestError(f"{path}: {error.strerror or error}: give an ONNX file") from error
    except (DecodeError, RecursionError) as error:
        raise RequestError(f"{path}: not an ONNX file: {' '.join(str(error).split())}") from error
    if not is_model(model):
        raise RequestError(f"{path}: not an ONNX model: it has no graph, or no opset, or one of no ONNX")
    return model


def is_model(model: "onnx.ModelProto") -> bool:
    """Whether it has a graph and says its versions: few bytes are enough to be *some* protobuf message. ONNX's own code
    takes no versions beyond 31 bits."""
    versions = [model.ir_version, *(entry.version for entry in model.opset_import)]
    return model.HasField("graph") and bool(model.opset_import) and all(0 <= each < 2**31 for each in versions)
