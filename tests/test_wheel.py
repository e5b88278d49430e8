"""A built wheel works away from the checkout: configurations, recipes, demo weights and schema are inside. It has the
same bytes wherever and whenever it is built."""

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from exporter.common.paths import PACKAGE, RECIPES

ROOT = PACKAGE.parent


def build_wheel(root: Path, outdir: Path, umask: int = 0o022) -> Path:
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(outdir), str(root)]
    time = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    subprocess.run(command, check=True, capture_output=True, env=time, umask=umask)
    (wheel,) = outdir.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build_wheel(ROOT, tmp_path_factory.mktemp("wheel"))


def test_a_wheel_works_without_the_checkout(wheel, tmp_path):
    installed = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)

    def run(*arguments: str) -> subprocess.CompletedProcess:
        elsewhere = {**os.environ, "PYTHONPATH": str(installed)}
        return subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env=elsewhere, capture_output=True, text=True, check=False
        )

    where = Path(run("-c", "import exporter; print(exporter.__file__)").stdout.strip())
    assert where.is_relative_to(installed)
    assert all(path.stem in run("-m", "exporter", "recipes").stdout for path in RECIPES.glob("*.yaml"))
    for network in ("yolo_nas_s", "ppyoloe_s"):
        assert (installed / "exporter" / "demo" / f"{network}.safetensors").is_file()
    for data in ("artifact/manifest.schema.json", "report/page/report.html", "report/page/style.css",
                 "pipeline/sweep/summary.html", "pipeline/sweep/sort.js"):  # fmt: skip
        assert (installed / "exporter" / data).is_file()
    shown = run("-m", "exporter", "+recipe=yolo_nas_s_int8", "--cfg", "job")
    assert "exporter.quantization.Int8" in shown.stdout, shown.stderr


@pytest.mark.slow
def test_a_wheel_has_the_same_bytes_wherever_it_is_built(wheel, tmp_path):
    """From a copy in another folder, with other times and modes of files, listed by the system in another order."""
    copy, project = tmp_path / "some where" / "else", tomllib.loads((ROOT / "pyproject.toml").read_text())
    parts = sorted([*project["tool"]["hatch"]["build"]["targets"]["sdist"]["include"], "pyproject.toml", ".gitignore"])
    copy.mkdir(parents=True)
    for part in reversed(parts):
        source = ROOT / part
        if part not in ("tests", "outputs"):  # no part of a wheel
            ignore = shutil.ignore_patterns("__pycache__")
            _ = shutil.copytree(source, copy / part, ignore=ignore) if source.is_dir() else shutil.copy(source, copy)
    for path in sorted(copy.rglob("*"), reverse=True):
        path.chmod(0o700 if path.is_dir() else 0o600)
        os.utime(path, (981173106, 981173106))
    other = build_wheel(copy, tmp_path / "dist", umask=0o077)
    assert other.name == wheel.name
    assert hashlib.sha256(other.read_bytes()).digest() == hashlib.sha256(wheel.read_bytes()).digest()
