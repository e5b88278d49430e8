"""Calibration in constant memory: what 256 pictures take is what 32 take."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import exporter
words = ["input.size=320", "proof.num_scenes=0", "proof.num_images=1", f"calibration.num_images={sys.argv[1]}",
         f"calibration.method={sys.argv[2]}", f"output_dir={sys.argv[3]}"]
exporter.build("yolo_nas_s_int8", words)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.parametrize("method", ["minmax", "entropy"])
def test_peak_memory_does_not_grow_with_the_pictures(tmp_path, method):
    def peak(num_images: int) -> int:
        words = [sys.executable, "-c", PROGRAM, str(num_images), method, str(tmp_path / "out")]
        return int(subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()[-1])

    few, many = peak(32), peak(256)
    print(f"{method}: {few / 1024:.0f} MiB with 32 pictures, {many / 1024:.0f} MiB with 256, ratio {many / few:.3f}")
    assert many <= 1.1 * few
