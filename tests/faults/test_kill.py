"""Builds that are killed at any moment leave the last good artifact whole, and the next build cleans up after them."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from exporter.artifact.verify import verify
from exporter.common.files import file_digest
from tests.model.graphs import saved_detector

ARGUMENTS = ["+recipe=yolo_nas_s", "input.size=64", "proof.num_scenes=0", "proof.num_images=1"]


def build(cwd, *arguments, **options):
    command = [sys.executable, "-m", "exporter", *arguments]
    return subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **options)


@pytest.mark.slow
def test_kill_9_at_random_moments(tmp_path):
    started = time.perf_counter()
    assert build(tmp_path, *ARGUMENTS).wait() == 0
    seconds = time.perf_counter() - started
    place = tmp_path / "outputs"
    good = file_digest(place / "yolo_nas_s" / "model.onnx")
    moments = random.Random(0)
    for _ in range(12):
        # The same artifact but for one parameter, so that a mix of both would show.
        process = build(tmp_path, *ARGUMENTS, "postprocessing.nms.max_predictions_per_image=7")
        time.sleep(moments.uniform(0.3, 1.05) * seconds)
        process.kill()
        process.wait()
        list(verify(place / "yolo_nas_s"))  # whole, whichever of the two it is
    assert build(tmp_path, *ARGUMENTS).wait() == 0
    assert file_digest(place / "yolo_nas_s" / "model.onnx") == good
    assert sorted(path.name for path in place.iterdir()) == ["yolo_nas_s"]


def test_ctrl_c_is_a_clean_end(tmp_path):
    arguments = [*saved_detector(tmp_path), "proof.num_images=16"]
    process = build(tmp_path, *arguments, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    assert process.stderr is not None
    for line in process.stderr:  # a stage has been done: work is under way
        if "load weights" in line:
            break
    os.kill(process.pid, signal.SIGINT)
    rest = process.stderr.read()
    assert process.wait() == 130
    assert rest.strip().endswith("exporter: interrupted; nothing was published")
    assert "Traceback" not in rest
    assert not list(tmp_path.glob("outputs/*")) + list(tmp_path.glob("outputs/.*"))
