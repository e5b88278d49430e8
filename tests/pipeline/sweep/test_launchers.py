"""Real builds through Hydra's launchers: each in processes of its own."""

import json
import subprocess
import sys

import pytest

OVERRIDES = ["-m", "+recipe=yolo_nas_s", "model.weights=random", "proof.num_images=1", "proof.num_scenes=0"]


def sweep(folder, *overrides):
    command = [sys.executable, "-m", "exporter", *OVERRIDES, *overrides]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    summary = json.loads((folder / "outputs" / "sweep" / "summary.json").read_text(encoding="utf-8"))
    return ended, summary


@pytest.mark.slow
@pytest.mark.parametrize(
    ("launcher", "package", "overrides"),
    [
        ("joblib", "joblib_launcher", ["hydra.launcher.n_jobs=2"]),
        ("ray", "ray_launcher", []),
        ("submitit_local", "submitit_launcher", []),
    ],
)
def test_a_launcher(tmp_path, launcher, package, overrides):
    pytest.importorskip(f"hydra_plugins.hydra_{package}", reason=f"hydra/launcher={launcher} is an extra")
    ended, summary = sweep(tmp_path, f"hydra/launcher={launcher}", "input.size=64,65,96", *overrides)
    assert ended.returncode == 1, ended.stderr
    runs = summary["runs"]
    assert [run["state"] for run in runs] == ["done", "failed", "done"]
    assert "must be a multiple of 32" in runs[1]["reason"] and "Traceback" not in ended.stderr
    for run in (runs[0], runs[2]):
        assert (tmp_path / "outputs" / "sweep" / run["folder"] / "report.html").is_file()


@pytest.mark.slow
def test_optuna_gets_the_metric(tmp_path):
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="hydra/sweeper=optuna is an extra")
    overrides = ["hydra/sweeper=optuna", "hydra.sweeper.n_trials=2", "hydra.sweeper.n_jobs=1", "input.size=64,96"]
    ended, summary = sweep(tmp_path, *overrides, "sweep.metric=size")
    assert ended.returncode == 0, ended.stderr
    best = (tmp_path / "outputs" / "sweep" / "optimization_results.yaml").read_text(encoding="utf-8")
    assert f"best_value: {min(run['figures']['size'] for run in summary['runs'])}" in best
