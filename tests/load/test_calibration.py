"""Ten thousand calibration images take the memory of a few hundred."""

import subprocess
import sys

import pytest

from exporter.demo.scenes import scene
from exporter.report.drawing import write_png
from tests.faults.campaign import ROOT

PROGRAM = """
import resource, sys
from exporter.config.compose import compose
from exporter.common.progress import Progress
from exporter.config.check import check
from tests.making import quantize
from exporter.pipeline.stages.trace import core_graph
recipe = check(compose(["+recipe=yolo_nas_s_int8", "input.size=64", "calibration=folder", *sys.argv[1:]]))
loaded = recipe.model.load()
_, calibration = quantize(core_graph(loaded.network, recipe.export, recipe.input), loaded, recipe)
print(calibration.num_images, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("method", ["minmax", "entropy"])
def test_ten_thousand_images(tmp_path, method):
    (tmp_path / "whole").mkdir()
    (tmp_path / "many").mkdir()
    for i in range(50):
        write_png(tmp_path / "whole" / f"{i}.png", scene("calibration", i, 64, 80).image)
    for i in range(10_000):
        (tmp_path / "many" / f"{i}.png").hardlink_to(tmp_path / "whole" / f"{i % 50}.png")

    def peak(count: int) -> float:
        arguments = [
            f"calibration.path={tmp_path / 'many'}",
            f"calibration.num_images={count}",
            f"calibration.method={method}",
        ]
        run = subprocess.run(
            [sys.executable, "-c", PROGRAM, *arguments], cwd=ROOT, capture_output=True, text=True, check=True
        )
        number, mebibytes = run.stdout.split()
        assert int(number) == count
        return float(mebibytes)

    few, many = peak(300), peak(10_000)
    print(f"\n{method}: {few:.0f} MiB with 300 images, {many:.0f} MiB with 10000, ratio {many / few:.3f}")
    assert many <= 1.05 * few
