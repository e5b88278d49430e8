"""Checkpoints with some bytes, some instructions of their pickle or some of their header changed: the weights, or one
line; never a call, in bounded time and memory."""

import io
import json
import posix
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import strategies as st
from safetensors.torch import save

from exporter.model.checkpoint import read_checkpoint
from exporter.model.stored import SUFFIXES, read_stored
from tests.fuzz.campaign import fuzz
from tests.fuzz.mutations import altered, edits, refused_or

STATE = {
    "module.a.weight": torch.arange(6.0).reshape(2, 3),
    "module.b": torch.ones(3, dtype=torch.float16),
    "module.n": torch.tensor(5),
}
PROCESSING = {"image_processor": [{"StandardizeImage": {"max_value": 255.0}}, "ReverseImageChannels"], "conf": 0.25}
CONTENT = {"net": STATE, "epoch": 3, "class_names": ["a", "b"], "metrics": [0.5, {"map": 0.25}],
           "processing_params": PROCESSING}  # fmt: skip


pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pickletools")  # of escapes that are none


def saved(zipped: bool) -> bytes:
    file = io.BytesIO()
    torch.save(CONTENT, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


ZIP, LEGACY = saved(True), saved(False)
PICKLE = next(
    zipfile.ZipFile(io.BytesIO(ZIP)).read(name)
    for name in zipfile.ZipFile(io.BytesIO(ZIP)).namelist()
    if name.endswith("data.pkl")
)
SAFE = save(dict(STATE), {"class_names": json.dumps(["a", "b"]), "processing_params": json.dumps(PROCESSING)})
(LENGTH,) = struct.unpack("<Q", SAFE[:8])
HEADER, TENSORS = json.loads(SAFE[8 : 8 + LENGTH]), SAFE[8 + LENGTH :]


def zipped(code: bytes, method: int = zipfile.ZIP_STORED) -> bytes:
    """The same checkpoint with another pickle."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(ZIP)) as whole, zipfile.ZipFile(out, "w", method) as forged:
        for name in whole.namelist():
            forged.writestr(name, code if name.endswith("data.pkl") else whole.read(name))
    return out.getvalue()


def with_header(header: object) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + TENSORS


# Instructions, each with an argument that it could have.
STEPS = [
    b"(", b".", b"0", b"1", b"2", b"N", b"\x88", b"\x89", b"I7\n", b"I01\n", b"K\x05", b"M\x05\0", b"J\xff\xff\xff\x7f", b"\x8a\x01\x05", b"G" + b"\x7f" * 8,
    b"F1e999\n", b"S'a'\n", b"U\x01a", b"X\x01\0\0\0a", b"\x8c\x03net", b"\x8c\x01a", b"C\x02ab", b"\x8e" + struct.pack("<Q", 2) + b"ab", b"}", b"]", b")",
    b"\x85", b"\x86", b"\x87", b"t", b"l", b"d", b"a", b"e", b"s", b"u", b"q\x00", b"r\0\0\0\0", b"p0\n", b"h\x00", b"j\0\0\0\0", b"g0\n", b"\x94",
    b"R", b"b", b"\x81", b"\x92", b"Q", b"\x93", b"\x8f", b"\x90", b"\x91", b"\x96" + struct.pack("<Q", 1) + b"a", b"\x97", b"\x98", b"\x80\x02", b"\x80\x05",
    b"\x95" + struct.pack("<Q", 3), b"cposix\nsystem\n", b"cos\nmkdir\n", b"ccollections\nOrderedDict\n", b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"ctorch\nFloatStorage\n", b"cnumpy._core.multiarray\nscalar\n", b"cnumpy\ndtype\n", b"csome.package\nName\n", b"comegaconf.listconfig\nListConfig\n", b"ctorch\nSize\n", b"cbuiltins\nset\n", b"iposix\nsystem\n", b"o",
    b"V\\ud800\n", b"B\xff\xff\xff\x7f", b"\x82\x01",
]  # fmt: skip
programs = st.lists(st.sampled_from(STEPS), max_size=30).map(lambda steps: b"".join(steps) + b".")


@st.composite
def rewritten(draw: st.DrawFn) -> bytes:
    """The good pickle with instructions in between."""
    code = PICKLE
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(2, len(code) - 1))
        code = (
            code[:at]
            + b"".join(draw(st.lists(st.sampled_from(STEPS), min_size=1, max_size=4)))
            + code[at + draw(st.integers(0, 6)) :]
        )
    return code


files = st.one_of(
    edits(ZIP), edits(LEGACY), edits(PICKLE).map(zipped), edits(PICKLE), programs.map(zipped), programs, rewritten().map(zipped),
    edits(PICKLE).map(lambda code: zipped(code, zipfile.ZIP_DEFLATED)), programs.map(lambda code: LEGACY[: len(LEGACY) // 3] + code),
)  # fmt: skip
safe = (
    edits(SAFE)
    | altered(HEADER).map(with_header)
    | edits(SAFE[:8] + SAFE[8 : 8 + LENGTH]).map(lambda head: head + TENSORS)
)


def looks_whole(path: Path) -> None:
    found = refused_or(lambda: read_checkpoint(path))
    stored = refused_or(lambda: read_stored(path))
    if found is not None:
        assert found.state and found.file == path.name and found.stored == stored
        for name, tensor in found.state.items():
            assert name.isprintable() and tensor.device.type == "cpu"
            assert not tensor.is_floating_point() or (tensor.dtype == torch.float32 and tensor.isfinite().all())
            tensor.sum()  # all of it is there


@fuzz(few=150, many=5000, content=files, suffix=st.sampled_from([".pth", ".pt"]))
def test_pickled_checkpoints(content: bytes, suffix: str, tmp_path: Path, calls: list[str]):
    (tmp_path / f"a{suffix}").write_bytes(content)
    looks_whole(tmp_path / f"a{suffix}")
    assert not calls and {path.suffix for path in tmp_path.iterdir()} <= set(SUFFIXES)


@fuzz(few=100, many=4000, content=safe)
def test_safetensors(content: bytes, tmp_path: Path):
    (tmp_path / "a.safetensors").write_bytes(content)
    looks_whole(tmp_path / "a.safetensors")


@pytest.fixture
def calls(monkeypatch, tmp_path) -> list[str]:
    """What the instructions above called; what they make would lie beside the file."""
    made: list[str] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(posix, "system", made.append)
    return made


def test_the_good_ones_are_read(tmp_path):
    for name, content in {
        "a.pth": ZIP,
        "b.pt": LEGACY,
        "c.pth": zipped(PICKLE),
        "d.safetensors": SAFE,
        "e.safetensors": with_header(HEADER),
    }.items():
        (tmp_path / name).write_bytes(content)
        found = read_checkpoint(tmp_path / name)
        assert set(found.state) == {"a.weight", "b", "n"} and found.class_names == ("a", "b"), name
