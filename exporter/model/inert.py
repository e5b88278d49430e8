"""The objects in a checkpoint as records of what they are called and hold: nothing that a file names is imported or
called, and torch is not needed."""

import pickle
import re
import sys
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from exporter.common.errors import RequestError
from exporter.model.pickle_extent import check_pickles

MAGIC = 0x1950A86A20F9469CFC6C  # with which torch's older format begins
CONTENT = re.compile(r"[^/]+/data\.pkl")
TEXT = re.compile(rb"[\t\n\r\x20-\x7e]{8}")
MAX_NAMES = 500  # of a pickled Ultralytics network: 60
# Of the standard library what a training loop may well keep. Nothing of it is called either; but any other name of the
# standard library can only be there to run code.
HARMLESS_MODULES = ("typing", "datetime", "pathlib", "enum", "decimal", "fractions", "uuid")
HARMLESS = {
    "builtins.bool", "builtins.bytearray", "builtins.bytes", "builtins.complex", "builtins.dict", "builtins.float",
    "builtins.frozenset", "builtins.int", "builtins.list", "builtins.object", "builtins.range", "builtins.set",
    "builtins.slice", "builtins.str", "builtins.tuple", "builtins.type", "collections.OrderedDict",
    "collections.defaultdict", "collections.Counter", "collections.deque", "argparse.Namespace",
    "types.SimpleNamespace", "copyreg._reconstructor", "functools.partial", "_codecs.encode",
    "torch.torch_version.TorchVersion",
}  # fmt: skip
SAVE = "save the state dict alone, torch.save(network.state_dict(), …)"


class Record:
    """Stands for an object of a class, or for what a function would have given; `full_name` says of which.

    arguments: what the class or function would have been called with. state: what the object would have been given
    then. `filled` is "list" or "dict" for a class whose objects were given items, which are in `items`.
    """

    full_name = ""
    filled = ""

    def __new__(cls, *arguments: Any) -> "Record":
        record = super().__new__(cls)
        record.arguments, record.state, record.items = arguments, None, []
        return record

    arguments: tuple[Any, ...]
    state: Any
    items: list[Any]

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def extend(self, items: Iterable[Any]) -> None:
        type(self).filled = "list"
        self.items.extend(items)

    def append(self, item: Any) -> None:
        self.extend([item])

    def __setitem__(self, key: Any, value: Any) -> None:
        type(self).filled = "dict"
        self.items.append((key, value))

    @property
    def fields(self) -> dict[str, Any]:
        """The attributes that it would have had."""
        states = self.state if isinstance(self.state, tuple) else (self.state,)  # of __dict__, and of __slots__
        return {str(key): value for state in states if isinstance(state, dict) for key, value in state.items()}


class Ordered(dict):
    """Stands for an OrderedDict; the attributes that it would be given are dropped."""

    def __setstate__(self, state: Any) -> None:
        pass


@dataclass(frozen=True)
class Records:
    """content: what the file holds, plain containers and `Record`s; `classes`: the class of records for each full name
    that is in it, those of torch and `Ordered` left out."""

    content: Any
    classes: dict[str, type[Record]]


def read_records(path: Path) -> Records:
    """What a .pth file holds beside the numbers of its tensors.

    Raises RequestError, which names the file: damaged, not a checkpoint, larger than it looks, or with a name in it
    that is only there to run code.
    """
    try:
        check_pickles(path)
        with path.open("rb") as file:
            reader = _content(file, path)
            content = reader.load()
    except RequestError:
        raise
    except Exception as error:  # of a damaged file any step of unpickling can raise anything
        raise RequestError(f"{path}: {why_unreadable(path, error)}") from error
    if isinstance(content, Record) and content.filled == "dict":
        content = {key: value for key, value in content.items if isinstance(key, str)}
    return Records(content, reader.classes)


def why_unreadable(path: Path, error: Exception) -> str:
    """What is wrong with a .pth file that could not be read, and what to do."""
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith(b"PK"):
        return f"not a whole PyTorch checkpoint ({first_line(error)}): download it again, or {SAVE}"
    if TEXT.match(start):
        return "a text file, not a checkpoint: look into it (an error page, a Git LFS pointer?) and download it again"
    return f"not a PyTorch checkpoint, or only a part of one: download it again, or {SAVE}"


def first_line(error: Exception) -> str:
    """What a library says, as far as its first full stop; the rest is advice for its own callers."""
    return " ".join(str(error).split()).split(". ")[0][:120] or type(error).__name__


def runs_code(path: Path, name: str) -> RequestError:
    """Of a name that a checkpoint has no other reason to hold."""
    return RequestError(f"{path}: loading it would run code ({name}), so it was not loaded: {SAVE}")


class _Reader(pickle.Unpickler):
    def __init__(self, file: BinaryIO, path: Path):
        super().__init__(file, encoding="utf-8", errors="replace")
        self._path = path
        self.classes: dict[str, type[Record]] = {}
        self._torch: dict[str, type[Record]] = {}

    def find_class(self, module: str, name: str, /) -> Any:
        # Protocol 2, torch's, has the names of Python 2.
        module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
        full = f"{module}.{name}"
        if full == "collections.OrderedDict":
            return Ordered
        if full == "_codecs.encode":
            return self._encoded
        root = module.partition(".")[0]
        if root in sys.stdlib_module_names and root not in HARMLESS_MODULES and full not in HARMLESS:
            raise runs_code(self._path, full)
        known = self._torch if root == "torch" and full not in HARMLESS else self.classes
        if full not in known:
            if len(known) == MAX_NAMES:
                raise RequestError(f"{self._path}: names more than {MAX_NAMES} classes: {SAVE}")
            known[full] = type("Record", (Record,), {"full_name": full})
        return known[full]

    def _encoded(self, text: str, encoding: str) -> bytes:
        """Protocol 2 holds bytes as text in latin1; another encoding would import what decodes it."""
        if encoding != "latin1":
            raise runs_code(self._path, "_codecs.encode")
        return text.encode(encoding)

    def persistent_load(self, pid: Any, /) -> Any:
        return None  # the numbers of a tensor


def _content(file: BinaryIO, path: Path) -> _Reader:
    """The reader of the one pickle that holds what was saved."""
    if file.read(4) == b"PK\x03\x04":
        archive = zipfile.ZipFile(file)
        names = [name for name in archive.namelist() if CONTENT.fullmatch(name)]
        if len(names) != 1:
            raise ValueError("no data.pkl in it" if not names else "more than one data.pkl in it")
        return _Reader(archive.open(names[0]), path)  # type: ignore[arg-type]  # it reads as any file does
    file.seek(0)
    if _Reader(file, path).load() != MAGIC:
        raise ValueError("not torch's older format")
    for _ in ("version", "machine"):
        _Reader(file, path).load()
    return _Reader(file, path)
