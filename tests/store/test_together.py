"""Many processes and sudden deaths: the artifact is always the one that is built alone, each stage computed once."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from exporter.manifest import file_digest, read_manifest
from exporter.store.place import Store
from tests.store.test_builds import WORDS

THRESHOLDS = (0.3, 0.4)


def command(folder, name, threshold=0.3, store="store"):
    nms = f"postprocessing.nms.confidence_threshold={threshold}"
    words = [*WORDS, nms, f"output_dir={folder / name}", f"store.path={folder / store}"]
    return [sys.executable, "-m", "exporter", "+recipe=yolo_nas_s_int8", *words]


def run(*given):
    subprocess.run(command(*given), check=True, capture_output=True)


@pytest.mark.slow
def test_eight_overlapping_builds_at_once(tmp_path):
    alone = {}
    for threshold in THRESHOLDS:
        run(tmp_path, f"alone{threshold}", threshold, f"alone{threshold}-store")
        alone[threshold] = file_digest(tmp_path / f"alone{threshold}" / "model.onnx")
    running = [
        subprocess.Popen(command(tmp_path, f"out{i}", THRESHOLDS[i % 2]), stderr=subprocess.DEVNULL) for i in range(8)
    ]
    assert [each.wait() for each in running] == [0] * 8
    built: dict[str, list[str]] = {}
    for i in range(8):
        assert file_digest(tmp_path / f"out{i}" / "model.onnx") == alone[THRESHOLDS[i % 2]]
        for stage in read_manifest(tmp_path / f"out{i}").run["stages"]:
            if stage["state"] == "built" and stage["name"] != "load weights":  # which nobody keeps
                built.setdefault(stage["key"], []).append(stage["name"])
    assert [names for names in built.values() if len(names) > 1] == []
    assert sorted(name for (name,) in built.values()).count("trace") == 1


@pytest.mark.slow
def test_killed_at_thirty_moments(tmp_path):
    run(tmp_path, "alone", 0.3, "alone-store")
    expected = file_digest(tmp_path / "alone" / "model.onnx")
    started = time.monotonic()
    run(tmp_path, "timed", 0.3, "timed-store")
    whole = time.monotonic() - started
    generator = random.Random(0)
    died = 0
    for number in range(30):
        store = f"store{number // 3}"  # some begin with what a killed one left
        build = subprocess.Popen(
            command(tmp_path, "out", 0.3, store), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        time.sleep(generator.uniform(0, whole))
        os.killpg(build.pid, signal.SIGKILL)
        died += build.wait() != 0
        run(tmp_path, "out", 0.3, store)
        assert file_digest(tmp_path / "out" / "model.onnx") == expected
        assert not list(tmp_path.glob(".*staging*"))
        kept = Store(tmp_path / store, 10**12, pytest.fail)
        kept.collect()
        assert list((tmp_path / store / "making").iterdir()) == []
        assert all(kept.read(entry.key) is not None for entry in kept.entries())
    print(f"{died} of 30 builds were killed before their end")
    assert died > 10
