"""Results on disk: whole or not at all, whatever happens to the folder."""

import os
import shutil
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.store.place import Store

KEY, OTHER, THIRD = "a" * 64, "b" * 64, "c" * 64


@pytest.fixture
def said():
    return []


@pytest.fixture
def store(tmp_path, said):
    return Store(tmp_path / "store", 10**9, said.append)


def write(store, key, files=None, stage="trace"):
    return store.write(key, stage, "recipe", {"settings": key}, files or {"value": b"x" * 1000}, 1.5)


def folder(store, key):
    return store.path / "results" / key[:2] / key


def test_what_was_written_is_read(store):
    files = {"model.onnx": b"\x00\x01", "value.json": b"{}"}
    assert store.read(KEY) is None and KEY not in store
    assert write(store, KEY, files)
    assert store.read(KEY) == files and KEY in store
    (entry,) = store.entries()
    assert (entry.key, entry.stage, entry.label, entry.seconds, entry.bytes) == (KEY, "trace", "recipe", 1.5, 4)
    assert not list((store.path / "making").iterdir())


@settings(max_examples=30, deadline=None)
@given(bit=st.integers(0, 8 * 1000 - 1))
def test_one_bit_that_flipped_is_seen(tmp_path_factory, bit):
    said = []
    store = Store(tmp_path_factory.mktemp("store"), 10**9, said.append)
    write(store, KEY)
    file = folder(store, KEY) / "value"
    content = bytearray(file.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    file.write_bytes(content)
    assert store.read(KEY) is None
    assert len(said) == 1 and "value is not what was written" in said[0]
    assert KEY not in store and write(store, KEY) and store.read(KEY)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"files": {"gone": "0"}}', b'{"files": 3}', b"\xff\xfe"])
def test_a_damaged_entry_is_no_result(store, content):
    write(store, KEY)
    (folder(store, KEY) / "entry.json").write_bytes(content)
    assert store.read(KEY) is None
    assert store.entries() == [] and write(store, OTHER)


def test_the_longest_unused_go_first(tmp_path, said):
    store = Store(tmp_path, 2700, said.append)
    for key in (KEY, OTHER):
        write(store, key)
    long_ago = time.time() - 1000
    os.utime(folder(store, KEY) / "entry.json", (long_ago, long_ago))
    os.utime(folder(store, OTHER) / "entry.json", (long_ago + 1, long_ago + 1))
    assert store.read(KEY)  # used now, so the other one is the oldest
    write(store, THIRD)
    assert [KEY in store, OTHER in store, THIRD in store] == [True, False, True]


def test_a_store_that_cannot_be_written_stops_nobody(tmp_path, said):
    (tmp_path / "file").write_text("no folder")
    store = Store(tmp_path / "file", 10**9, said.append)
    assert not write(store, KEY) and not write(store, OTHER)
    with store.computing(KEY):
        pass
    assert store.read(KEY) is None
    assert len(said) == 1 and "results are not kept" in said[0]


def test_a_store_that_vanishes_is_made_again(store):
    write(store, KEY)
    shutil.rmtree(store.path)
    assert store.read(KEY) is None and write(store, KEY) and store.read(KEY)


def test_what_a_killed_build_left_is_removed(store):
    write(store, KEY)
    left = store.path / "making" / "left"
    left.mkdir()
    (left / "half").write_bytes(b"x")
    with store.computing(OTHER):
        assert store.collect() == (0, 0)
        assert [lock.name for lock in (store.path / "locks").iterdir()] == [OTHER]  # held: it stays
    assert not left.exists() and KEY in store
    assert store.collect(everything=True)[0] == 1 and store.entries() == []


PROGRAM = """
import sys, time
from pathlib import Path
from exporter.store.place import Store
store = Store(Path(sys.argv[1]), 10**9, print)
with store.computing("d" * 64):
    if store.read("d" * 64) is None:
        with open(sys.argv[2], "a") as file:
            file.write("computed\\n")
        time.sleep(0.2)
        store.write("d" * 64, "trace", "recipe", {}, {"value": b"x"}, 0.2)
"""


def test_eight_processes_compute_a_result_once(tmp_path):
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "store"), str(tmp_path / "log")]
    running = [subprocess.Popen(command) for _ in range(8)]
    assert [each.wait() for each in running] == [0] * 8
    assert (tmp_path / "log").read_text() == "computed\n"
