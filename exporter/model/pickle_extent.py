"""How much the pickles of a checkpoint stand for, counted before they are read.

A zip unpacks to a thousand times its size, and an object that is named again and again counts each time something
walks through it: 40 tuples, each twice in the next, take longer to hash than anybody has.
"""

import pickletools
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

from exporter.common.errors import RequestError

MAX_PICKLE = 16_000_000
"""Bytes; that of YOLO-NAS-L has 200,000."""
MAX_OBJECTS = 10_000_000
MAX_STEPS = 1_000_000
"""Instructions of one pickle; that of YOLO-NAS-L, with averages and an optimizer, has 100,000."""


MAX_NESTED = 1000
"""Tuples in tuples: as a key of a dictionary they would be hashed, which takes as much of the process's stack."""
INSTRUCTIONS = {
    "PROTO", "MARK", "STOP", "GLOBAL", "NEWOBJ", "REDUCE", "BUILD", "APPEND", "APPENDS", "SETITEM", "SETITEMS",
    "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "NONE", "NEWTRUE", "NEWFALSE", "EMPTY_TUPLE", "EMPTY_LIST",
    "EMPTY_DICT", "EMPTY_SET", "BININT", "BININT1", "BININT2", "BINFLOAT", "BINUNICODE", "SHORT_BINSTRING",
    "BINPERSID", "BINGET", "LONG_BINGET", "BINPUT", "LONG_BINPUT", "LONG1",
}  # fmt: skip
"""Those that torch reads with `weights_only`; it writes no others, if not told to take another protocol."""


def check_pickles(path: Path) -> None:
    """Raises RequestError for a .pth file that stands for far more than it has, or is pickled as torch does not read
    it; for a damaged one whatever reading it raises."""
    with path.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":
            file.seek(0)
            for _ in range(5):  # of torch's older format: magic number, version, machine, content, names of storages
                _check(file, path)
            return
    with zipfile.ZipFile(path) as archive:
        sizes = {each.filename: each.file_size for each in archive.infolist()}
        if sum(sizes.values()) > path.stat().st_size:
            raise RequestError(f"{path}: unpacks to {sum(sizes.values())} bytes: save it with torch.save, unpacked")
        for name, size in sizes.items():
            if name.endswith("data.pkl"):
                if size > MAX_PICKLE:
                    raise RequestError(f"{path}: names {size} bytes of objects: save the state dict alone")
                with archive.open(name) as file:
                    _check(file, path)


def _check(file: Any, path: Path) -> None:
    if _extent(file) > MAX_OBJECTS:
        raise RequestError(
            f"{path}: stands for more than {MAX_OBJECTS} objects, or nests them too deep: save the state dict alone"
        )


def _extent(file: BinaryIO) -> int:
    """The most objects that one value stands for, with all that is named twice counted twice. Every instruction is
    taken to put all that it takes from the stack into what it leaves there."""
    stack: list[tuple[int, int] | None] = []  # None: a mark; else the objects of a value, and how deep tuples nest
    memo: dict[Any, tuple[int, int]] = {}
    most = 0
    for step, (code, argument, _) in enumerate(pickletools.genops(file)):
        if code.name not in INSTRUCTIONS:
            raise ValueError(f"its pickle has the instruction {code.name}, which torch.save writes for no state dict")
        if step > MAX_STEPS or most > MAX_OBJECTS:
            return MAX_OBJECTS + 1
        if "GET" in code.name:
            stack.append(memo[argument])
            continue
        if "PUT" in code.name:
            if not isinstance(argument, int) or argument > MAX_STEPS:  # who reads it keeps a table of that length
                raise ValueError(f"its pickle gives an object the number {argument}")
            memo[argument] = stack[-1] or (0, 0)
            continue
        taken = []
        for kind in reversed(code.stack_before):
            if kind is pickletools.stackslice:
                while (value := stack.pop()) is not None:
                    taken.append(value)
            elif kind is not pickletools.markobject:
                taken.append(stack.pop() or (0, 0))
        objects = 1 + sum(value[0] for value in taken)
        nested = max((value[1] for value in taken), default=0) + code.name.startswith("TUPLE")
        if nested > MAX_NESTED:
            return MAX_OBJECTS + 1
        for kind in code.stack_after:
            stack.append(None if kind is pickletools.markobject else (objects, nested))
        most = max(most, objects)
    return most
