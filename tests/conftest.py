"""Artifacts that several tests look at: built once in each process."""

import os
from pathlib import Path

import pytest

import exporter

# As many processes as there are cores: threads of torch on top would only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")


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
