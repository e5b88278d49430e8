"""The mechanisms by which faults end in one line and leave nothing, each by itself and without a build."""

import errno
import fcntl
import os
import re
from pathlib import Path

import pytest

from exporter.artifact.publish import publishing, remove_abandoned
from exporter.cli import main
from exporter.common import swap as swapping
from exporter.common.errors import BuildError, RequestError
from exporter.common.files import write_whole
from exporter.common.limits import enough_memory
from exporter.pipeline.sweep.folder import sweeping_in
from exporter.store.place import Store
from tests.artifact.test_publish import names, publish, read

KEY = "a" * 64


def raising(code, where=lambda *_: True):
    """A stand-in of a call that fails where `where` says so."""

    def make(real):
        def call(*given, **more):
            if where(*given):
                raise OSError(code, os.strerror(code))
            return real(*given, **more)

        return call

    return make


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EIO])
def test_directories_that_cannot_be_locked(tmp_path, monkeypatch, code):
    publish(tmp_path / "out", "A")
    handles = len(list(Path("/proc/self/fd").iterdir()))
    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", raising(code)(fcntl.flock))
        for attempt in (lambda: publish(tmp_path / "out", "B"), lambda: publish(tmp_path / "new" / "out", "B")):
            with pytest.raises(RequestError, match="its file system cannot lock a directory"):
                attempt()
        with (
            pytest.raises(RequestError, match="its file system cannot lock a folder"),
            sweeping_in(tmp_path / "s" / "w"),
        ):
            pass
    assert read(tmp_path / "out") == "A" and names(tmp_path) == ["out"]
    assert len(list(Path("/proc/self/fd").iterdir())) == handles
    publish(tmp_path / "out", "B")
    assert read(tmp_path / "out") == "B"


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM])
def test_renameat2_that_is_not_there(tmp_path, monkeypatch, code):
    publish(tmp_path / "out", "A")
    monkeypatch.setattr(swapping.ctypes, "get_errno", lambda: code)
    monkeypatch.setattr(
        swapping.ctypes, "CDLL", lambda *_, **__: type("C", (), {"renameat2": staticmethod(lambda *_: -1)})
    )
    publish(tmp_path / "out", "B")
    assert read(tmp_path / "out") == "B" and names(tmp_path) == ["out"]


@pytest.mark.parametrize(("code", "which"), [(errno.EINVAL, "directories"), (errno.EIO, "the parent, after the swap")])
def test_directories_that_cannot_be_flushed(tmp_path, monkeypatch, code, which):
    publish(tmp_path / "out", "A")

    def concerned(descriptor):
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        return path.is_dir() and (which == "directories" or path == tmp_path)

    monkeypatch.setattr(os, "fsync", raising(code, concerned)(os.fsync))
    publish(tmp_path / "out", "B")
    assert read(tmp_path / "out") == "B" and names(tmp_path) == ["out"]


@pytest.mark.parametrize("code", [errno.EIO, errno.EROFS, errno.ESTALE])
def test_a_disk_that_breaks_during_a_build(tmp_path, code):
    publish(tmp_path / "out", "A")
    with pytest.raises(BuildError, match="look at the disk and build again"), publishing(tmp_path / "out"):
        raise OSError(code, os.strerror(code))
    with pytest.raises(BuildError, match="nothing was changed there"), publishing(tmp_path / "out") as staging:
        (staging / "not there" / "file").write_bytes(b"")
    assert read(tmp_path / "out") == "A" and names(tmp_path) == ["out"]


def test_abandoned_places_go_and_others_stay(tmp_path):
    publish(tmp_path / "out", "A")
    (tmp_path / ".dead.exporter-staging").mkdir()
    (tmp_path / "out").rename(tmp_path / ".half.exporter-replaced")  # killed between two renames
    (tmp_path / ".half.exporter-staging").mkdir()
    with publishing(tmp_path / "alive") as staging:
        remove_abandoned(tmp_path)
        assert staging.is_dir()
    assert names(tmp_path) == ["alive", "half"] and read(tmp_path / "half") == "A"


def test_a_file_is_replaced_whole_or_not(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("old")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", raising(errno.ENOSPC)(Path.replace))
        with pytest.raises(OSError, match="No space"):
            write_whole(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_text() == "old" and names(tmp_path) == ["file"]
    write_whole(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_text() == "new" and names(tmp_path) == ["file"]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Failed to allocate memory for requested buffer"),
        ValueError("std::bad_alloc"),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
        RuntimeError("Failed to serialize proto"),  # protobuf's EncodeError
        OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_memory_is_one_line(error):
    with (
        pytest.raises(BuildError, match=r"^quantize: out of memory \(\w+: .*: give it more"),
        enough_memory("quantize"),
    ):
        raise error


def test_another_error_is_not_taken_for_it():
    with pytest.raises(ValueError, match="shapes"), enough_memory("quantize"):
        raise ValueError("shapes do not fit")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.EIO, "Input/output error", "some/file"), "some/file: Input/output error"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (MemoryError(), "out of memory: give it more"),
    ],
)
def test_what_nobody_has_foreseen_is_one_line(error, line, monkeypatch, capsys):
    def fail():
        raise error

    monkeypatch.setattr("exporter.cli.help.print_help", fail)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    assert main(["--help"]) == 1
    assert capsys.readouterr().err == f"exporter: {line}\n"
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(type(error)):
        main(["--help"])


@pytest.mark.parametrize("gone", ["value", "entry.json"])
def test_a_result_of_which_a_file_is_gone_is_made_again(tmp_path, gone):
    said = []
    store = Store(tmp_path, 10**9, said.append)
    assert store.write(KEY, "trace", "", {}, {"value": b"1", "other": b"2"}, 1.0)
    (tmp_path / "results" / KEY[:2] / KEY / gone).unlink()
    assert store.read(KEY) is None
    assert [bool(re.search("is not whole: dropped", line)) for line in said] == [True] * (gone == "value")
    assert KEY not in store
    assert store.write(KEY, "trace", "", {}, {"value": b"1", "other": b"2"}, 1.0)
    assert store.read(KEY) == {"value": b"1", "other": b"2"}


def test_what_cannot_be_removed_is_said_and_not_counted(tmp_path, monkeypatch):
    store = Store(tmp_path, 10**9, pytest.fail)
    store.write(KEY, "trace", "", {}, {"value": b"1"}, 1.0)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", raising(errno.EROFS)(Path.rename))
        patch.setattr("exporter.store.place.shutil.rmtree", lambda *_, **__: None)
        with pytest.raises(BuildError, match="1 results cannot be removed"):
            store.collect(everything=True)
    assert store.read(KEY) and store.collect(everything=True)[0] == 1 and store.read(KEY) is None
