"""Calibration in constant memory: what 512 images take is what 32 take."""

import subprocess
import sys

import pytest

from exporter.quantization.ranges import METHODS

# Only as far as the quantized core: what comes after it takes as much whatever came before, and would hide it.
PROGRAM = """
import resource, sys
from exporter.config.compose import compose
from exporter.common.progress import Progress
from exporter.config.check import check
from tests.making import quantize
from exporter.pipeline.stages.trace import core_graph
recipe = check(compose(["+recipe=yolo_nas_s_int8", "input.size=320", *sys.argv[1:]]))
loaded = recipe.model.load()
_, calibration = quantize(core_graph(loaded.network, recipe.export, recipe.input), loaded, recipe)
assert calibration.num_images == recipe.calibration.num_images
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "overrides", [*([f"calibration.method={method}"] for method in METHODS), ["quantization.reduce_range=measure"]]
)
def test_peak_memory_does_not_grow_with_the_images(overrides):
    def peak(num_images: int) -> int:
        command = [sys.executable, "-c", PROGRAM, f"calibration.num_images={num_images}", *overrides]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])

    few, many = peak(32), peak(512)
    print(f"{overrides}: {few / 1024:.0f} MiB with 32 images, {many / 1024:.0f} MiB with 512, ratio {many / few:.3f}")
    assert many <= 1.1 * few
