"""How results of a kind become files, and files results."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from exporter.store.place import Files

if TYPE_CHECKING:
    import numpy as np
    import onnx

T = TypeVar("T")


@dataclass(frozen=True)
class Codec(Generic[T]):
    """Both ways; what was unpacked is what was packed."""

    pack: Callable[[T], Files]
    unpack: Callable[[Files], T]


def pack_model(model: "onnx.ModelProto") -> bytes:
    """The same graph gives the same bytes."""
    return model.SerializeToString(deterministic=True)


def unpack_model(content: bytes) -> "onnx.ModelProto":
    """A graph from its bytes."""
    import onnx

    return onnx.load_from_string(content)


def pack_arrays(arrays: "dict[str, np.ndarray]") -> bytes:
    """numpy's npz, nothing pickled."""
    import numpy as np

    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


def unpack_arrays(content: bytes) -> "dict[str, np.ndarray]":
    """Arrays by name; what is pickled is refused."""
    import numpy as np

    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)
