"""Reading somebody's ONNX file: no more of it than there is, and nothing outside its folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from exporter.common.errors import RequestError
from exporter.common.files import check_file, is_file, is_folder

if TYPE_CHECKING:
    import onnx

MAX_BYTES = 2**31 - 1
"""Protobuf's own limit; larger models keep their weights beside the file."""


@dataclass(frozen=True)
class Read:
    """A model, the file it came from, and whether an artifact's manifest beside it states its optimisation profile."""

    model: "onnx.ModelProto"
    file: Path
    has_profile: bool


def read(path: Path) -> Read:
    """The model in a file, or the artifact of a folder that a build wrote. Its external data stays where it is.

    Raises RequestError in one line: missing, no file, too large, not ONNX.
    """
    from exporter.artifact.manifest import FILE, read_manifest

    if not is_folder(path):
        return Read(read_model(path), path, has_profile=False)
    if not is_file(path / FILE):
        raise RequestError(f"{path}: holds no {FILE}: give the ONNX file itself, or a folder that a build wrote")
    manifest = read_manifest(path)
    file = path / Path(manifest.artifact.file).name
    return Read(read_model(file), file, has_profile=manifest.backend.profile is not None)


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
