"""Artifacts that several tests look at: built once in each process."""

import os
from pathlib import Path

import pytest

import exporter

# As many processes as there are cores: threads of torch on top would only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session", autouse=True)
def no_store_of_the_users(tmp_path_factory):
    """What is built here is not what the user keeps, and the other way round."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def empty_store(tmp_path_factory, monkeypatch):
    """A test builds what it says it builds: nothing was there before, which other tests may have made of code that they
    had changed."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def int8_artifact(tmp_path_factory) -> Path:
    """`+recipe=yolo_nas_s_int8` at 160 pixels."""
    folder = tmp_path_factory.mktemp("artifacts") / "int8"
    words = ["input.size=160", "calibration.num_images=8", "proof.num_scenes=8", f"output_dir={folder}"]
    exporter.build("yolo_nas_s_int8", words)
    return folder


@pytest.fixture(scope="session")
def float_artifact(tmp_path_factory) -> Path:
    """`+recipe=yolo_nas_s` at 96 × 160 pixels with a dynamic batch."""
    folder = tmp_path_factory.mktemp("artifacts") / "float"
    words = ["input.height=96", "input.width=160", "input.batch=dynamic", "proof.num_scenes=0", f"output_dir={folder}"]
    exporter.build("yolo_nas_s", words)
    return folder
