"""Without a GPU: the check and the table themselves, on ONNX Runtime's CPU, and that the rest is skipped with a reason."""

import os
import subprocess
from pathlib import Path

import pytest

from exporter.config.check import check
from exporter.config.compose import compose
from exporter.runtime import onnx_providers
from tests.gpu import test_cuda
from tests.gpu.checked import checked, why_not
from tests.tables import gpu

ROOT = Path(__file__).parents[2]


def test_the_reason_is_what_the_engine_says():
    assert why_not("cpu") is None
    assert test_cuda.WHY_NOT is None or test_cuda.WHY_NOT.startswith(("backend.provider=cuda: ", "ONNX Runtime cannot"))


@pytest.mark.parametrize("name", test_cuda.CASES)
def test_each_case_is_a_recipe(name, monkeypatch):
    """So that no time on a GPU is spent on a mistake in words."""
    monkeypatch.setattr(onnx_providers, "check_provider", lambda provider: None)
    recipe, *others = test_cuda.CASES[name]
    check(compose([f"+recipe={recipe}", "backend.provider=cuda", *others]))


def test_the_script_says_that_it_was_not_run_and_stops_without_a_gpu():
    script = ROOT / ".ci" / "gpu"
    assert "never run" in script.read_text(encoding="utf-8")
    subprocess.run(["bash", "-n", script], check=True)
    assert os.access(script, os.X_OK)


@pytest.mark.slow
def test_the_check_itself_on_the_cpu(tmp_path, one_store):
    assert checked("cpu", ["yolo_nas_s", "input.size=160"], tmp_path / "artifact").backend.settings == {}


@pytest.mark.slow
def test_the_table_itself_on_the_cpu(one_store):
    text = gpu.table("cpu", 64, 2, 1)
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 2 + len(gpu.FILES) + len(gpu.TORCH)
    assert all(float(row[1]) > 0 for row in rows[2:])
