"""Many processes and sudden deaths: the artifact is always the one that is built alone, each stage computed once."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from exporter.artifact.manifest import read_manifest
from exporter.common.files import file_digest
from exporter.store.place import Store
from tests.store.test_builds import OVERRIDES

THRESHOLDS = (0.3, 0.4)


def command(folder, name, threshold=0.3, store="store"):
    nms = f"postprocessing.nms.confidence_threshold={threshold}"
    overrides = [*OVERRIDES, nms, f"output_dir={folder / name}", f"store.path={folder / store}"]
    return [sys.executable, "-m", "exporter", "+recipe=yolo_nas_s_int8", *overrides]


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
        for stage in read_manifest(tmp_path / f"out{i}").run.stages:
            if stage.state == "built" and stage.name != "load weights":  # which nobody keeps
                built.setdefault(stage.key, []).append(stage.name)
    assert [names for names in built.values() if len(names) > 1] == []
    assert sorted(name for (name,) in built.values()).count("trace") == 1


def sweep_command(folder, name, store):
    threshold = "postprocessing.nms.confidence_threshold=" + ",".join(map(str, THRESHOLDS))
    overrides = [*OVERRIDES, threshold, f"hydra.sweep.dir={folder / name}", f"store.path={folder / store}"]
    return [sys.executable, "-m", "exporter", "-m", "+recipe=yolo_nas_s_int8", *overrides]


def digests(folder):
    """By what differs, of all artifacts in a folder."""
    return {
        read_manifest(file.parent).recipe.config["postprocessing"]["nms"]["confidence_threshold"]: file_digest(file)
        for file in folder.rglob("model.onnx")
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    "line", [lambda folder, name, store: command(folder, name, 0.3, store), sweep_command], ids=["build", "sweep"]
)
def test_killed_at_thirty_moments(tmp_path, line):
    subprocess.run(line(tmp_path, "alone", "alone-store"), check=True, capture_output=True)
    expected = digests(tmp_path / "alone")
    started = time.monotonic()
    subprocess.run(line(tmp_path, "timed", "timed-store"), check=True, capture_output=True)
    whole = time.monotonic() - started
    generator = random.Random(0)
    died = 0
    for number in range(30):
        folder = tmp_path / str(number)
        folder.mkdir()
        build = subprocess.Popen(
            line(folder, "out", "store"), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
        )
        time.sleep(generator.uniform(0, whole))
        os.killpg(build.pid, signal.SIGKILL)
        died += build.wait() != 0
        subprocess.run(line(folder, "out", "store"), check=True, capture_output=True)
        assert digests(folder / "out") == expected
        assert not list(folder.rglob(".*staging*"))
        kept = Store(folder / "store", 10**12, pytest.fail)
        kept.collect()
        assert list((folder / "store" / "making").iterdir()) == []
        assert all(kept.read(entry.key) is not None for entry in kept.entries())
    print(f"{died} of 30 were killed before their end")
    assert died > 20
