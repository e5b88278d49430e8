"""Hostile checkpoints: each is refused in one line that names the file, and nothing in it is executed.

Whatever an attack calls would make the file `executed`; its absence afterwards is what counts.
"""

import io
import json
import os
import pickle
import struct
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from exporter.common.errors import RequestError
from exporter.model.checkpoint import read_checkpoint
from exporter.model.pickle_extent import INSTRUCTIONS
from exporter.model.stored import read_stored
from tests.model.pretended import pretended

STATE = {"weight": torch.arange(2000.0)}


class Calls:
    """Unpickles into the result of a call."""

    def __init__(self, function: Callable, *arguments: object):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class Built:
    """Unpickles through `__setstate__` (the BUILD instruction)."""

    def __init__(self, marker: Path):
        self.marker = str(marker)

    def __setstate__(self, state: dict) -> None:
        Path(state["marker"]).touch()


class Ordered(dict):
    """A subclass of an allowed container that carries a call in its state."""

    def __reduce__(self):
        return dict, (), None, None, iter([("net", Calls(os.mkdir, self["marker"]))])


def payloads(marker: Path) -> dict[str, object]:
    command = f"touch '{marker}'"
    return {
        "system": Calls(os.system, command),
        "eval": Calls(eval, f"__import__('pathlib').Path({str(marker)!r}).touch()"),
        "exec": Calls(exec, f"open({str(marker)!r}, 'w')"),
        "open": Calls(open, str(marker), "w"),
        "getattr": Calls(getattr, "a", "upper"),
        "torch's own loader": Calls(torch.load, str(marker)),
        "torch's own writer": Calls(torch.save, STATE, str(marker)),
        "build": Built(marker),
        "in the items of a dictionary": Ordered(marker=str(marker)),
        "deep below": {"net": {"a": [({"b": (Calls(os.system, command),)},)]}},
        "beside good weights": {"net": STATE, "optimizer": Calls(os.system, command)},
        "as a name of an entry": {"net": {Calls(os.system, command): torch.ones(1)}},
    }


def refused(path: Path, reason: str = "") -> None:
    with pytest.raises(RequestError) as error:
        read_checkpoint(path)
    line = str(error.value)
    assert line.startswith(f"{path}: ") and reason in line and "\n" not in line and len(line) < 500, line
    assert line.isprintable(), "a line with control characters can hide what it says"
    try:
        read_stored(path)  # what it says beside its weights may well be read; but nothing of it is called either
    except RequestError as error:
        assert "\n" not in str(error) and str(error).startswith(f"{path}: ")
    assert not (path.parent / "executed").exists()


@pytest.mark.parametrize("name", payloads(Path()))
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_pickles_that_call(tmp_path, name, legacy):
    content = payloads(tmp_path / "executed")[name]
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=not legacy)
    refused(tmp_path / "a.pth", "holds a" if name == "build" else "it would run code (")


@pytest.mark.parametrize("name", payloads(Path()))
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_raw_pickles(tmp_path, name, protocol):
    (tmp_path / "a.pth").write_bytes(pickle.dumps(payloads(tmp_path / "executed")[name], protocol))
    refused(tmp_path / "a.pth")


def pickled_by_hand(code: bytes) -> bytes:
    """A checkpoint whose pickle is those instructions."""
    file = io.BytesIO()
    torch.save(STATE, file)
    out = io.BytesIO()
    with zipfile.ZipFile(file) as whole, zipfile.ZipFile(out, "w") as forged:
        for name in whole.namelist():
            forged.writestr(name, code if name.endswith("data.pkl") else whole.read(name))
    return out.getvalue()


@pytest.mark.parametrize(
    "code",
    [
        b"cposix\nsystem\n(S'touch executed'\ntR.",
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x05touch\x85R.",  # STACK_GLOBAL
        b"(S'touch executed'\niposix\nsystem\n.",  # INST
        b"ctorch.serialization\nos.system\n(S'touch executed'\ntR.",  # through an allowed-looking module
        b"ctorch._utils\n_rebuild_tensor_v2\n(tR.",  # an allowed call with nothing to work on
        b"ccollections\nOrderedDict\n)R}S'__class__'\ncposix\nsystem\nsb.",
        b"\x82\x01.",  # EXT1
        b"P0\n.",  # persistent id without a tuple
        b"}" + b"(" * 100_000,
        b"(" + b"l" * 1000,
        b"]" * 50_000 + b"a" * 49_999 + b".",  # nested as deep as recursion goes
        b"\x95" + b"\xff" * 8 + b".",  # a frame of 2**64 bytes
        b"\x8e" + struct.pack("<Q", 1 << 60) + b"x.",  # bytes longer than any memory
        b"",
        b".",
    ],
)
def test_pickles_written_by_hand(tmp_path, monkeypatch, code):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pth").write_bytes(pickled_by_hand(code))
    refused(tmp_path / "a.pth")


CANARY = """
import pathlib
pathlib.Path({marker!r}).touch()

class Bird:
    def __new__(cls, *arguments): pathlib.Path({marker!r}).touch()
    def __init__(self, *arguments): pathlib.Path({marker!r}).touch()
    def __setstate__(self, state): pathlib.Path({marker!r}).touch()
    __call__ = append = extend = __setitem__ = __setstate__

def sing(*arguments): pathlib.Path({marker!r}).touch()
"""


@pytest.fixture
def canary(tmp_path, monkeypatch) -> None:
    """A package that could be imported, and would say so."""
    (tmp_path / "canary").mkdir()
    (tmp_path / "canary" / "__init__.py").write_text(CANARY.format(marker=str(tmp_path / "executed")))
    monkeypatch.syspath_prepend(tmp_path)


GOOD = b"\x80\x02}(X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuM\xd0\x07tQK\0M\xd0\x07\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtRX\x01\0\0\0x"
"""Of a dictionary with one tensor, as far as the value of a second entry."""
CALLS = {
    "import": b"ccanary\nBird\n",
    "import from within": b"ccanary.inner\nsing\n",
    "REDUCE": b"ccanary\nsing\n)R",
    "REDUCE of a class": b"ccanary\nBird\n(K\x01tR",
    "NEWOBJ": b"ccanary\nBird\n)\x81",
    "BUILD": b"ccanary\nBird\n)\x81}X\x01\0\0\0aK\x01sb",
    "BUILD of attributes": b"ccanary\nBird\n)\x81N}X\x09\0\0\0__class__ccanary\nBird\ns\x86b",
    "APPEND": b"ccanary\nBird\n)\x81K\x01a",
    "SETITEM": b"ccanary\nBird\n)\x81K\x01K\x02s",
    "a call of a call": b"ccanary\nsing\n)R)R",
    "getattr of it": b"cbuiltins\ngetattr\nccanary\nBird\nX\x01\0\0\0a\x86R",
    "in processing_params": b"NX\x11\0\0\0processing_params}X\x0f\0\0\0image_processorccanary\nsing\n)Rs",
    "INST": b"(icanary\nBird\n",
    "OBJ": b"(ccanary\nBird\no",
    "STACK_GLOBAL": b"\x8c\x06canary\x8c\x04Bird\x93",
    "NEWOBJ_EX": b"ccanary\nBird\n)}\x92",
}
UNREAD = ("a call of a call", "getattr of it", "INST", "OBJ", "STACK_GLOBAL", "NEWOBJ_EX")
"""Those that torch writes for nothing that is needed beside weights."""


@pytest.mark.parametrize("how", CALLS)
@pytest.mark.parametrize("zipped", [True, False])
def test_packages_are_neither_imported_nor_called(tmp_path, canary, how, zipped):
    code = GOOD + CALLS[how] + b"u."
    if zipped:
        (tmp_path / "a.pth").write_bytes(pickled_by_hand(code))
    else:  # the older format: the same, with another content
        torch.save({"w": STATE["weight"]}, tmp_path / "a.pth", _use_new_zipfile_serialization=False)
        whole = (tmp_path / "a.pth").read_bytes()
        start = whole.index(b"\x80\x02}q\x00X\x01\0\0\0w")
        key = b"X\x05\0\0\x0012345"
        content = code.replace(b"X\x01\0\0\x000", key).replace(b"cpuM\xd0\x07tQ", b"cpuM\xd0\x07NtQ")
        data = whole[-(8 + 8000) :]
        (tmp_path / "a.pth").write_bytes(whole[:start] + content + b"\x80\x02]" + key + b"a." + data)
    if how in UNREAD:
        refused(tmp_path / "a.pth")
    else:
        assert torch.equal(read_checkpoint(tmp_path / "a.pth").state["w"], STATE["weight"])
        read_stored(tmp_path / "a.pth")
    assert "canary" not in sys.modules and not (tmp_path / "executed").exists()


def test_what_the_process_has_allowed_is_not_called(tmp_path):
    marker = tmp_path / "executed"
    torch.save({"net": STATE, "beside": Built(marker)}, tmp_path / "a.pth")
    with torch.serialization.safe_globals([Built]):
        assert list(read_checkpoint(tmp_path / "a.pth").state) == ["weight"]
        assert Built in torch.serialization.get_safe_globals()
    assert not marker.exists()


def test_the_instructions_are_torchs():
    """A file that torch reads is not refused for its instructions, and none is read that torch does not know."""
    names = {
        name
        for name, value in vars(torch._weights_only_unpickler).items()
        if name.isupper() and isinstance(value, bytes)
    }
    assert names == INSTRUCTIONS


class Hiding(dict):
    """Unpickles into an OrderedDict whose attributes hide its methods."""

    def __reduce__(self):
        attributes = {"items": 1, "get": 2, "keys": 3, "values": 4, "__class__": 5}
        return OrderedDict, (), attributes, None, iter(dict.items(self))


def test_attributes_of_dictionaries_that_hide_their_methods(tmp_path):
    torch.save(Hiding(epoch=3, net=Hiding(STATE)), tmp_path / "a.pth")
    assert list(read_checkpoint(tmp_path / "a.pth").state) == ["weight"]
    read_stored(tmp_path / "a.pth")


def test_bytes_in_an_encoding_of_the_files_choice(tmp_path):
    """Python imports what decodes it."""
    code = b"c_codecs\nencode\nX\x01\0\0\0aX\x05\0\0\0rot13\x86Ru."
    (tmp_path / "a.pth").write_bytes(pickled_by_hand(GOOD + code))
    refused(tmp_path / "a.pth", "it would run code (_codecs.encode)")


def test_an_object_with_a_number_of_the_files_choice(tmp_path):
    """Pickle keeps a table as long as that."""
    (tmp_path / "a.pth").write_bytes(pickled_by_hand(b"\x80\x02}r\xff\xff\xff\x3f."))
    refused(tmp_path / "a.pth", "gives an object the number 1073741823")


def test_names_without_end(tmp_path):
    code = b"](" + b"".join(b"cpackage\nName%d\n" % number for number in range(5000)) + b"e."
    (tmp_path / "a.pth").write_bytes(pickled_by_hand(b"\x80\x02" + code))
    refused(tmp_path / "a.pth", "names more than 500 classes")


def test_a_network_that_is_an_object_is_not_loaded(tmp_path):
    with pretended("ultralytics.nn.tasks.DetectionModel") as (kind,):
        torch.save(
            {"model": kind(_modules={"0": torch.nn.Conv2d(1, 1, 1)}, run=Calls(os.system, "x"))}, tmp_path / "a.pth"
        )
    refused(tmp_path / "a.pth", "it would run code (posix.system)")


def test_control_characters_stay_out_of_the_line(tmp_path):
    (tmp_path / "a.pth").write_bytes(pickled_by_hand(b"c\x1b[2Jevil\x07\nsystem\n)R."))
    refused(tmp_path / "a.pth")
    torch.save({"\x1b[2J": 1}, tmp_path / "b.pth")
    refused(tmp_path / "b.pth")
    torch.save({"net": {"\x1b[2J": torch.tensor([float("nan")])}}, tmp_path / "c.pth")
    refused(tmp_path / "c.pth")


@pytest.mark.parametrize("names", [["../../executed"], ["/executed"], ["a/data.pkl", "../executed"], []])
def test_zips_that_are_no_checkpoints(tmp_path, names):
    (tmp_path / "in" / "it").mkdir(parents=True)
    with zipfile.ZipFile(tmp_path / "in" / "it" / "a.pth", "w") as file:
        for name in names:
            file.writestr(name, "x")
    refused(tmp_path / "in" / "it" / "a.pth")
    assert {path.name for path in tmp_path.rglob("*")} == {"in", "it", "a.pth"}


def test_torchscript(tmp_path):
    class Net(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    torch.jit.trace(Net(), torch.ones(1)).save(tmp_path / "a.pth")
    refused(tmp_path / "a.pth")


def whole_files(folder: Path) -> dict[str, bytes]:
    torch.save({"net": STATE}, folder / "zip.pth")
    torch.save({"net": STATE}, folder / "legacy.pth", _use_new_zipfile_serialization=False)
    save_file(STATE, folder / "a.safetensors")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("part", range(20))
def test_truncated(tmp_path, part):
    for name, content in whole_files(tmp_path).items():
        read_checkpoint(tmp_path / name)
        (tmp_path / name).write_bytes(content[: len(content) * part // 20])
        refused(tmp_path / name)


@pytest.mark.parametrize(
    "start", [b"\x89PNG\r\n\x1a\n", b"\x7fELF", b"GGUF", b"\x00" * 8, b"\xff" * 8, b"\x80\x02\x00", b"PK\x03\x04"]
)
def test_wrong_magic(tmp_path, start):
    for name, content in whole_files(tmp_path).items():
        (tmp_path / name).write_bytes(
            start + content[len(start) :] if not name.startswith("zip") else start + b"\0" * 500
        )
        refused(tmp_path / name)


def safetensors(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(shape: list[int], begin: int, end: int, dtype: str = "F32") -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    "content",
    [
        b"\x08",
        safetensors({"w": entry([1], 0, 4)}, b"\0" * 4, length=1 << 63),
        safetensors({"w": entry([1], 0, 4)}, b"\0" * 4, length=100_000_000),
        safetensors({"w": entry([1], 0, 4)}, b"\0" * 4, length=10_000),
        safetensors(b"not json"),
        safetensors(b"[1]"),
        safetensors(b'{"w": ' * 50_000),
        safetensors({"w": entry([2], 0, 8)}, b"\0" * 4),  # beyond the file
        safetensors({"w": entry([1 << 40], 0, 4)}, b"\0" * 4),  # a shape beyond its bytes
        safetensors({"w": entry([1 << 62, 1 << 62], 0, 4)}, b"\0" * 4),  # a size that overflows
        safetensors({"w": entry([1], 4, 0)}, b"\0" * 4),
        safetensors({"w": entry([1], 0, 4), "v": entry([1], 0, 4)}, b"\0" * 4),  # two in one place
        safetensors({"w": entry([1], 4, 8)}, b"\0" * 8),  # a hole before it
        safetensors({"w": entry([1], 0, 4)}, b"\0" * 8),  # bytes that nobody owns
        safetensors({"w": entry([1], 0, 4, "X9")}, b"\0" * 4),
        safetensors({"w": entry([-1], 0, 4)}, b"\0" * 4),
        safetensors({"w": {"dtype": "F32"}}, b"\0" * 4),
        safetensors({"__metadata__": {"class_names": 5}, "w": entry([1], 0, 4)}, b"\0" * 4),
        safetensors({"__metadata__": {"class_names": "[" * 100_000}, "w": entry([1], 0, 4)}, b"\0" * 4),
        safetensors({"__metadata__": {"class_names": "{}"}, "w": entry([1], 0, 4)}, b"\0" * 4),
    ],
)
def test_safetensors(tmp_path, content):
    (tmp_path / "a.safetensors").write_bytes(content)
    refused(tmp_path / "a.safetensors")


def test_a_header_of_100_mb(tmp_path):
    with (tmp_path / "a.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", 100_000_001))
        file.truncate(100_000_100)  # sparse: takes no room
    refused(tmp_path / "a.safetensors")


def zipped(size: int) -> bytes:
    """A checkpoint whose archive unpacks to `size` zeros more than it should."""
    out = io.BytesIO()
    torch.save({"net": STATE}, out)
    with (
        zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as bomb,
        bomb.open("archive/more", "w", force_zip64=True) as file,
    ):
        for _ in range(size >> 20):
            file.write(bytes(1 << 20))
    return out.getvalue()


BOMBS = {
    "a zip of 200 MB of zeros": lambda: zipped(200 << 20),
    "pickle of 20 MB": lambda: pickled_by_hand(b"]" + b"N0" * 10_000_000 + b"."),
    "three million keys": lambda: pickled_by_hand(b"}(" + b"".join(b"J%sN" % struct.pack("<i", i) for i in range(1_500_000)) + b"u."),
    "tuples of tuples": lambda: pickled_by_hand(b"}(I1\n\x85q\0" + b"".join(b"h%ch%c\x86q%c" % (i, i, i + 1) for i in range(60)) + b"I1\nu."),
    "tuples of tuples, older format": lambda: b"\x80\x02}(I1\n\x85q\0" + b"".join(b"h%ch%c\x86q%c" % (i, i, i + 1) for i in range(60)) + b"I1\nu.",
    "tuples of tuples in a list": lambda: pickled_by_hand(b"](I1\n\x85q\0" + b"".join(b"h%ch%c\x86q%c" % (i, i, i + 1) for i in range(60)) + b"e."),
    "tuples nested too deep to be hashed": lambda: pickled_by_hand(b"\x80\x02})" + b"\x85" * 900_000 + b"Ns."),
    "marks without end": lambda: b"(" * 5_000_000,
}  # fmt: skip


@pytest.mark.parametrize("what", BOMBS)
def test_bombs(tmp_path, monkeypatch, what):
    monkeypatch.setattr("exporter.model.pickle_extent.MAX_STEPS", 100_000)  # soon enough for a test
    (tmp_path / "a.pth").write_bytes(BOMBS[what]())
    refused(tmp_path / "a.pth")


TENSORS = {
    "sparse": lambda: torch.eye(3).to_sparse(),
    "compressed rows": lambda: torch.eye(3).to_sparse_csr(),
    "quantized": lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
    "complex": lambda: torch.ones(3, dtype=torch.complex64),
    "nan": lambda: torch.tensor([1.0, float("nan")]),
    "infinity": lambda: torch.tensor([1.0, float("inf")]),
    "infinity in float64": lambda: torch.tensor([1e300], dtype=torch.float64),
    "meta": lambda: torch.empty(3, device="meta"),
    "a terabyte on meta": lambda: torch.empty(1 << 38, device="meta"),
    "overlapping": lambda: torch.ones(3).expand(1 << 30, 3),
}


@pytest.mark.parametrize("what", TENSORS)
@pytest.mark.filterwarnings("ignore")
def test_tensors_that_are_no_plain_numbers(tmp_path, what):
    torch.save({"net": {"w": TENSORS[what]()}}, tmp_path / "a.pth")
    refused(tmp_path / "a.pth")


@pytest.mark.parametrize(
    "arguments",
    [
        b"I0\n(J\xff\xff\xff\x7ftI1\n\x85",  # a shape beyond the storage
        b"I0\n(J\xff\xff\xff\xfftI1\n\x85",  # a negative shape
        b"J\xff\xff\xff\x7f(I1\ntI1\n\x85",  # an offset beyond the storage
        b"J\xff\xff\xff\xff(I1\ntI1\n\x85",  # a negative offset
        b"I0\n(I2\ntJ\xff\xff\xff\xff\x85",  # a negative stride
        b"I0\n(I2\ntJ\xff\xff\xff\x7f\x85",  # a stride beyond the storage
        b"I0\n(I2\nI2\ntI1\n\x85",  # fewer strides than sides
        b"I0\nI5\nI5\n",  # numbers in the place of shapes
    ],
)
def test_tensors_made_by_hand(tmp_path, arguments):
    storage = b"((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuM\xd0\x07tQ"
    code = b"\x80\x02}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n" + storage + arguments
    (tmp_path / "a.pth").write_bytes(pickled_by_hand(code + b"\x89ccollections\nOrderedDict\n)RtRs."))
    refused(tmp_path / "a.pth")


@pytest.mark.parametrize("kind", ["pipe", "loop", "folder", "device", "missing", "empty"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_what_is_no_file(tmp_path, kind, suffix):
    path = tmp_path / f"a{suffix}"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.touch()
    elif kind != "missing":
        path.symlink_to({"loop": path, "device": Path("/dev/zero")}[kind])
    refused(path)


def test_tensors_larger_than_their_data(tmp_path):
    """Strides of zero let a few bytes pose as terabytes."""
    torch.save({"net": {"w": torch.ones(1).expand(1 << 20, 1 << 20)}}, tmp_path / "a.pth")
    refused(tmp_path / "a.pth", "larger than its own data")
