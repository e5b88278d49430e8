"""Reading a checkpoint: entries under the network's own names, float32, finite; nothing in the file is executed."""

import re
import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from exporter.common.errors import RequestError
from exporter.common.files import file_digest
from exporter.model.foreign import read_weights_records
from exporter.model.inert import Record, first_line, runs_code, why_unreadable
from exporter.model.stored import Stored, check_checkpoint_file, read_metadata, stored_in_content, stored_in_metadata

# Where training loops keep the network; averaged weights come before the last step's.
AVERAGED = ("ema_net", "ema_state_dict", "state_dict_ema", "ema_model", "model_ema", "ema")
WRAPPERS = (*AVERAGED, "net", "model_state_dict", "state_dict", "model", "module")
PREFIXES = ("module.", "net.", "_orig_mod.", "model.", *(f"{name}." for name in AVERAGED))
COUNTER = "n_averaged"  # torch's AveragedModel keeps how often it averaged beside the network
BATCHES = "num_batches_tracked"
FORBIDDEN = re.compile(r"GLOBAL ([\w.]+)")  # as torch's restricted unpickler names what it refuses to call
_LOADING = threading.Lock()  # which names torch takes is one list for all threads


@dataclass(frozen=True)
class Checkpoint:
    """The weights of one file.

    state: float32, or the integer type they came in, on the CPU, under the network's own names. taken: where in the
    file they were, such as `ema_net`; empty: at its top. stored: what it says beside them. file: the basename.
    metadata: what a .safetensors file says about itself.
    """

    state: dict[str, Tensor]
    taken: str
    stored: Stored
    sha256: str
    file: str
    metadata: dict[str, str]

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """None where the file holds none."""
        return self.stored.class_names

    @property
    def averaged(self) -> bool:
        """Whether the weights are averages over training, as far as the place where they were tells."""
        return any(part in AVERAGED for part in self.taken.split("."))


def read_checkpoint(path: Path) -> Checkpoint:
    """Reads .pth and .pt (a state dict, bare or as training loops wrap it) and .safetensors.

    Raises RequestError that names the file: missing, damaged, of another kind, able to run code, without tensors, or
    with tensors that are not plain finite numbers.
    """
    check_checkpoint_file(path)
    metadata: dict[str, str] = {}
    if path.suffix == ".safetensors":
        metadata = read_metadata(path)
        stored, raw, taken = stored_in_metadata(metadata, path), _read_safetensors(path), ""
    else:
        content, stored = _unpickled(path)
        found = _tensors(content)
        if found is None:
            keys = ", ".join(repr(key)[:30] for key in list(content)[:5])
            raise RequestError(f"{path}: holds no tensors ({keys or 'empty'}): save the network's state dict")
        raw, taken = found
    for name in raw:
        if not name.isprintable():  # it would stand in messages, where it could hide what they say
            raise RequestError(f"{path}: an entry is called {name[:50]!r}: save it under a name that can be printed")
    own, prefixes = _without_prefixes(raw)
    state = {name: _plain(tensor, name, path) for name, tensor in own.items()}
    taken = ".".join(filter(None, (taken, prefixes)))
    return Checkpoint(state, taken, stored, file_digest(path), path.name, metadata)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - the file is no mapping
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise RequestError(f"{path}: not a whole .safetensors file ({first_line(error)}): save it again") from error
    if not state:
        raise RequestError(f"{path}: holds no tensors: save the network's state dict")
    return state


def _unpickled(path: Path) -> tuple[dict[Any, Any], Stored]:
    """The dictionary in a .pth file, read by torch's unpickler that builds tensors and plain containers only, and
    records in the place of all other objects."""
    records = read_weights_records(path)
    stored = stored_in_content(records.content, path)
    try:
        with warnings.catch_warnings(), _taken_as_records(records.classes):
            warnings.simplefilter("ignore")  # about pickle protocols and deprecated kinds of tensors
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of a damaged file any step of unpickling can raise anything
        if forbidden := FORBIDDEN.search(str(error)):
            raise runs_code(path, forbidden[1]) from error
        raise RequestError(f"{path}: {why_unreadable(path, error)}") from error
    if not isinstance(content, dict):
        kind = content.full_name if isinstance(content, Record) else type(content).__name__
        raise RequestError(f"{path}: holds a {kind}, not a dictionary: save the network's state dict")
    return content, stored


@contextmanager
def _taken_as_records(classes: dict[str, type[Record]]) -> Iterator[None]:
    """Torch makes records of these names, and knows no others beyond its own: what else the process has allowed would
    be called."""
    stands_in = {"": lambda record: record, "dict": lambda _: _Dictionary, "list": lambda _: _List}
    ours: list[Any] = [(stands_in[each.filled](each), name) for name, each in classes.items()]
    with _LOADING:
        before = torch.serialization.get_safe_globals()
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(ours)
        try:
            yield
        finally:
            added = [each for each in torch.serialization.get_safe_globals() if each not in ours]  # by parts of torch
            torch.serialization.clear_safe_globals()
            torch.serialization.add_safe_globals([*before, *added])


class _Dictionary:
    """Of a class that is given items: torch gives them to plain dictionaries only."""

    def __new__(cls, *_: Any) -> OrderedDict:
        return OrderedDict()


class _List:
    """Of a class that is appended to."""

    def __new__(cls, *_: Any) -> list:
        return []


def _tensors(content: dict[Any, Any], nested: int = 0) -> tuple[dict[str, Tensor], str] | None:
    """The tensors of the first wrapper that has any, and where it is; else those of the dictionary itself."""
    entries = dict(dict.items(content))  # attributes of an OrderedDict come from the file, and hide its methods
    for key in WRAPPERS if nested < len(WRAPPERS) else ():
        inner = entries.get(key)
        if isinstance(inner, dict) and (found := _tensors(inner, nested + 1)):
            return found[0], ".".join(filter(None, (key, found[1])))
    state = {name: value for name, value in entries.items() if isinstance(name, str) and isinstance(value, Tensor)}
    return (state, "") if state else None


def _without_prefixes(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    """Takes off what wrappers such as DataParallel put before every name, as often as it is there; of a network and
    its averages side by side, the averages are kept. Returns also the prefix of those, or an empty one."""
    averages = ""
    while True:
        if COUNTER in state and all(name.startswith("module.") for name in state if name != COUNTER):
            state = {name: tensor for name, tensor in state.items() if name != COUNTER}
        prefix = next((prefix for prefix in PREFIXES if all(name.startswith(prefix) for name in state)), None)
        if prefix is None:
            beside = (name for name in AVERAGED if _has_two(state, f"{name}."))
            if (name := next(beside, None)) is None:
                return state, averages
            prefix = f"{name}."
        if prefix[:-1] in AVERAGED:
            averages = prefix[:-1]
        state = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def _has_two(state: dict[str, Tensor], averages: str) -> bool:
    """Whether there are entries with this prefix, and all others have one of a network."""
    own = [name for name in state if not name.startswith(averages)]
    return 0 < len(own) < len(state) and any(all(name.startswith(each) for name in own) for each in PREFIXES)


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
    if name.endswith(BATCHES):  # a count, made a float with all the rest; too large for float16 it is infinite
        return tensor.detach().double().nan_to_num(0, 0, 0).long()
    values = tensor.detach().float()
    if not values.isfinite().all():
        raise RequestError(f"{path}: {name} holds NaN or infinite values: give a checkpoint from before it diverged")
    return values.contiguous()
