"""Names of runs' folders, and whose a sweep's folder is."""

import fcntl
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.common.errors import RequestError
from exporter.pipeline.sweep.folder import LONGEST, claim, folder_name, sweeping_in

overrides = st.text(st.characters(codec="utf-8"), min_size=1, max_size=400).map(lambda text: f"key={text}")


@given(overrides, overrides)
def test_any_overrides_name_one_folder_of_their_own(one, other):
    name = folder_name(one)
    assert len(os.fsencode(name)) <= LONGEST
    assert not set(name) & {"/", "\0", "\n"}
    assert (name == folder_name(other)) == (one == other)


def test_short_plain_overrides_are_the_name():
    assert folder_name("+recipe=yolo_nas_s,input.size=64") == "+recipe=yolo_nas_s,input.size=64"
    assert folder_name("model.weights=a/b.pth").startswith("model.weights=a_b.pth~")
    assert folder_name("model.weights=a/b.pth") != folder_name("model.weights=a_b.pth")


def test_one_sweep_at_a_time(tmp_path):
    folder = tmp_path / "outputs" / "sweep"
    with sweeping_in(folder) as runs:
        (runs / "0.json").touch()
        with pytest.raises(RequestError, match="another sweep is writing there"), sweeping_in(folder):
            pass
        assert (runs / "0.json").exists()
    assert not (tmp_path / "outputs").exists()


def test_what_a_killed_sweep_has_left_is_removed(tmp_path):
    for name in (".runs", "+recipe=a", "+recipe=b", ".dead.exporter-staging", ".alive.exporter-staging"):
        (tmp_path / name).mkdir()
    (tmp_path / ".runs" / "3.json").touch()
    (tmp_path / "+recipe=a" / "model.onnx").touch()
    alive = os.open(tmp_path / ".alive.exporter-staging", os.O_RDONLY)
    fcntl.flock(alive, fcntl.LOCK_EX)  # as a build does that goes on elsewhere
    with sweeping_in(tmp_path) as runs:
        assert list(runs.iterdir()) == []
    os.close(alive)
    assert {path.name for path in tmp_path.iterdir()} == {"+recipe=a", ".alive.exporter-staging"}


def test_two_runs_cannot_have_one_folder(tmp_path):
    claim(tmp_path, "hydra.sweep.subdir", "x", 0, ["a=1"])
    claim(tmp_path, "hydra.sweep.subdir", "y", 1, ["a=2"])
    claim(tmp_path, "hydra.sweep.subdir", "x", 2, ["a=1"])  # a sweeper tried the same again
    with pytest.raises(RequestError, match=r"subdir=x: run 0 of this sweep goes there too"):
        claim(tmp_path, "hydra.sweep.subdir", "x", 3, ["a=3"])
