"""A built wheel works away from the checkout: configurations, recipes, demo weights and schema are inside."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from exporter.paths import PACKAGE, RECIPES


def test_a_wheel_works_without_the_checkout(tmp_path):
    root = PACKAGE.parent
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(root)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)

    def run(*words: str) -> subprocess.CompletedProcess:
        elsewhere = {**os.environ, "PYTHONPATH": str(installed)}
        return subprocess.run(
            [sys.executable, *words], cwd=tmp_path, env=elsewhere, capture_output=True, text=True, check=False
        )

    where = Path(run("-c", "import exporter; print(exporter.__file__)").stdout.strip())
    assert where.is_relative_to(installed)
    assert all(path.stem in run("-m", "exporter", "recipes").stdout for path in RECIPES.glob("*.yaml"))
    for network in ("yolo_nas_s", "ppyoloe_s"):
        assert (installed / "exporter" / "demo" / f"{network}.safetensors").is_file()
    assert (installed / "exporter" / "manifest.schema.json").is_file()
    shown = run("-m", "exporter", "+recipe=yolo_nas_s_int8", "--cfg", "job")
    assert "exporter.quantization.int8.Int8" in shown.stdout, shown.stderr
