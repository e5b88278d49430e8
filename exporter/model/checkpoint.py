"""Reading a checkpoint: entries under the network's own names, float32, finite; nothing in the file is executed."""

import hashlib
import json
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from exporter.errors import RequestError
from exporter.files import check_file
from exporter.model.pickle_extent import check_pickles

SUFFIXES = (".pth", ".pt", ".safetensors")
# Where training loops keep the network; averaged weights come before the last step's.
WRAPPERS = (
    "ema_net",
    "ema_state_dict",
    "state_dict_ema",
    "net",
    "ema_model",
    "model_state_dict",
    "state_dict",
    "model",
)
PREFIXES = ("module.", "net.", "ema_model.", "_orig_mod.", "model.")
COUNTER = "n_averaged"  # torch's AveragedModel keeps how often it averaged beside the network
TEXT = re.compile(rb"[\t\n\r\x20-\x7e]{8}")
FORBIDDEN = re.compile(r"GLOBAL ([\w.]+)")  # as torch's restricted unpickler names what it refuses to call

# Training loops keep metrics beside the weights, and those are numbers of numpy: these names make one from its bytes.
_SCALAR = np.float64(0).__reduce__()[0]
NUMPY_SCALARS: list[Any] = [
    *((_SCALAR, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    np.dtype,
    *(type(np.dtype(kind)) for kind in ("bool", "int32", "int64", "float16", "float32", "float64")),
]


@dataclass(frozen=True)
class Checkpoint:
    """The weights of one file.

    state: float32, or the integer type they came in, on the CPU, under the network's own names. class_names: None
    where the file holds none. file: the basename. metadata: what a .safetensors file says about itself.
    """

    state: dict[str, Tensor]
    class_names: tuple[str, ...] | None
    sha256: str
    file: str
    metadata: dict[str, str]


def read_checkpoint(path: Path) -> Checkpoint:
    """Reads .pth and .pt (a state dict, bare or as training loops wrap it) and .safetensors.

    Raises RequestError that names the file: missing, damaged, of another kind, able to run code, without tensors, or
    with tensors that are not plain finite numbers.
    """
    _check_file(path)
    if path.suffix == ".safetensors":
        raw, names, metadata = _read_safetensors(path)
    else:
        content = _unpickled(path)
        raw, names, metadata = _state_dict(content, path), _class_names(content), {}
    for name in raw:
        if not name.isprintable():  # it would stand in messages, where it could hide what they say
            raise RequestError(f"{path}: an entry is called {name[:50]!r}: save it under a name that can be printed")
    state = {name: _plain(tensor, name, path) for name, tensor in _without_prefixes(raw).items()}
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Checkpoint(state, names, digest, path.name, metadata)


def _check_file(path: Path) -> None:
    size = check_file(path, f"give a checkpoint ({', '.join(SUFFIXES)})")
    if path.suffix not in SUFFIXES:
        raise RequestError(f"{path}: not a kind of checkpoint that is read: give one of {', '.join(SUFFIXES)}")
    if size == 0:
        raise RequestError(f"{path}: the file is empty: download or save it again")


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], tuple[str, ...] | None, dict[str, str]]:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = dict(file.metadata() or {})
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - the file is no mapping
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise RequestError(f"{path}: not a whole .safetensors file ({_first_line(error)}): save it again") from error
    if not state:
        raise RequestError(f"{path}: holds no tensors: save the network's state dict")
    return state, _json_class_names(metadata, path), metadata


def _json_class_names(metadata: Mapping[str, str], path: Path) -> tuple[str, ...] | None:
    if "class_names" not in metadata:
        return None
    try:
        names = _class_names({"class_names": json.loads(metadata["class_names"])})
    except (ValueError, RecursionError):
        names = None
    if names is None:
        raise RequestError(f'{path}: its metadata class_names is not a JSON list of names: write one such as ["cat"]')
    return names


def _unpickled(path: Path) -> Mapping[Any, Any]:
    """The dictionary in a .pth file, read by torch's unpickler that builds tensors and plain containers only."""
    try:
        check_pickles(path)
        with warnings.catch_warnings(), torch.serialization.safe_globals(NUMPY_SCALARS):
            warnings.simplefilter("ignore")  # about pickle protocols and deprecated kinds of tensors
            content = torch.load(path, map_location="cpu", weights_only=True)
    except RequestError:
        raise
    except Exception as error:  # of a damaged file any step of unpickling can raise anything
        raise RequestError(f"{path}: {_why_unreadable(path, error)}") from error
    if not isinstance(content, Mapping):
        raise RequestError(f"{path}: holds a {type(content).__name__}, not a dictionary: save the network's state dict")
    return content


def _why_unreadable(path: Path, error: Exception) -> str:
    with path.open("rb") as file:
        start = file.read(8)
    save = "save the state dict alone, torch.save(network.state_dict(), …)"
    if forbidden := FORBIDDEN.search(str(error)):
        return f"loading it would run code ({forbidden[1]}), so it was not loaded: {save}"
    if start.startswith(b"PK"):
        return f"not a whole PyTorch checkpoint ({_first_line(error)}): download it again, or {save}"
    if TEXT.match(start):
        return "a text file, not a checkpoint: look into it (an error page, a Git LFS pointer?) and download it again"
    return f"not a PyTorch checkpoint, or only a part of one: download it again, or {save}"


def _first_line(error: Exception) -> str:
    """What a library says, as far as its first full stop; the rest is advice for its own callers."""
    words = " ".join(str(error).split()).split(". ")[0][:120]
    return "".join(filter(str.isprintable, words)) or type(error).__name__


def _state_dict(content: Mapping[Any, Any], path: Path) -> dict[str, Tensor]:
    """The tensors of the first wrapper that is there, else of the dictionary itself; what else there is goes unused."""
    for _ in range(len(WRAPPERS)):
        inner = next((content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping)), None)
        if inner is None:
            break
        content = inner
    state = {name: value for name, value in content.items() if isinstance(name, str) and isinstance(value, Tensor)}
    if not state:
        keys = ", ".join(repr(key)[:30] for key in list(content)[:5])
        raise RequestError(f"{path}: holds no tensors ({keys or 'empty'}): save the network's state dict")
    return state


def _class_names(content: Mapping[Any, Any]) -> tuple[str, ...] | None:
    """The first list of names where training loops keep one; SuperGradients: processing_params.class_names."""
    places = [content, content.get("processing_params")]
    for place in places:
        for key in ("class_names", "classes"):
            names = place.get(key) if isinstance(place, Mapping) else None
            if isinstance(names, list | tuple) and names and all(isinstance(name, str) for name in names):
                return tuple(names)
    return None


def _without_prefixes(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Takes off what wrappers such as DataParallel put before every name, as often as it is there."""
    if COUNTER in state and all(name.startswith("module.") for name in state if name != COUNTER):
        state = {name: tensor for name, tensor in state.items() if name != COUNTER}

    def common() -> Iterator[str]:
        return (prefix for prefix in PREFIXES if all(name.startswith(prefix) for name in state))

    while prefix := next(common(), None):
        state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state


def _plain(tensor: Tensor, name: str, path: Path) -> Tensor:
    """The tensor in float32 if it is a float of any size, unchanged if it is an integer; refuses every other kind."""
    what = None
    if tensor.layout != torch.strided or tensor.is_nested:
        what = "sparse or nested"
    elif tensor.is_quantized:
        what = "quantized"
    elif tensor.is_meta:
        what = "without values"
    elif tensor.is_complex():
        what = "complex"
    elif tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        what = "larger than its own data"
    if what:
        raise RequestError(f"{path}: {name} is {what}: save plain dense tensors of numbers")
    if not tensor.is_floating_point():
        return tensor.detach()
    values = tensor.detach().float()
    if not values.isfinite().all():
        raise RequestError(f"{path}: {name} holds NaN or infinite values: give a checkpoint from before it diverged")
    return values.contiguous()
