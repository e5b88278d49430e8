"""A sweep from its command line to its summary. Builds are stood in for: what they leave is all that matters here."""

import json
import os
import signal
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from exporter.cli import main
from exporter.cli.hydra_run import task
from exporter.common.errors import BuildError
from exporter.common.paths import CONF
from exporter.config.settings import Sweep
from exporter.pipeline.sweep.folder import sweeping_in
from tests.pipeline.sweep.made import manifest

MODEL = ["-m", "model=yolo_nas_s", "model.weights=random"]


@pytest.fixture
def builds(tmp_path, monkeypatch):
    """Stands in for every build, in an empty working directory: what the sizes lead to can be said in the dict."""
    monkeypatch.chdir(tmp_path)
    does = {}

    def build(recipe, progress):
        does.get(recipe.input.height, lambda: None)()
        recipe.output_dir.mkdir(parents=True, exist_ok=True)
        made = manifest(map=90.0 - recipe.input.height / 100, size=recipe.input.height * 1000)
        made.write(recipe.output_dir)
        return made

    monkeypatch.setattr("exporter.pipeline.build.build", build)
    return does


def summary(folder="outputs/sweep"):
    return json.loads((Path(folder) / "summary.json").read_text(encoding="utf-8"))


def fails(error):
    def raises(*_):
        raise error

    return raises


def test_failed_runs_take_no_other_down(builds, capsys):
    builds[64] = fails(BuildError("the artifact\nis not the network"))
    builds[96] = fails(ZeroDivisionError("a fault of ours"))
    assert main([*MODEL, "input.size=64,65,96,128", "sweep.constraint=drop<=0.5, size<=20"]) == 1
    runs = summary()["runs"]
    assert [run["state"] for run in runs] == ["failed", "failed", "failed", "done"]
    assert runs[0]["reason"] == "the artifact is not the network"
    assert "must be a multiple of 32" in runs[1]["reason"]
    assert runs[2]["reason"].startswith("ZeroDivisionError: a fault of ours")
    assert [run["varied"] for run in runs] == [{"input.size": size} for size in ("64", "65", "96", "128")]
    assert (summary()["recommended"], summary()["complete"]) == (3, True)
    said = capsys.readouterr()
    lines = said.err.splitlines()
    assert len([line for line in lines if line.startswith("[")]) == 4  # one line a run
    assert lines[-1] == "exporter: 3 of 4 runs failed"
    assert "recommended: [3]" in said.out
    names = {path.name for path in os.scandir("outputs/sweep")}
    folder = "input.size=128,model.weights=random,model=yolo_nas_s"
    assert names == {folder, "multirun.yaml", "summary.json", "summary.csv", "summary.html"}
    assert runs[3]["folder"] == folder


@pytest.mark.slow
def test_a_sweep_can_be_run_again(builds):
    builds[96] = fails(BuildError("not today"))
    assert main([*MODEL, "input.size=64,96"]) == 1
    builds.clear()
    assert main([*MODEL, "input.size=96,128"]) == 0
    assert [run["varied"]["input.size"] for run in summary()["runs"]] == ["96", "128"]


@pytest.fixture
def ctrl_c():
    """As at a terminal: what a shell runs in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_keeps_what_is_done(builds, capsys, ctrl_c):
    builds[96] = lambda: os.kill(os.getpid(), signal.SIGINT)
    assert main([*MODEL, "input.size=64,96,128"]) == 130  # the third would have run
    assert [run["varied"] for run in summary()["runs"]] == [{}]
    assert not summary()["complete"]
    assert capsys.readouterr().err.splitlines()[-1] == "exporter: interrupted; the 1 runs that have ended stay"
    assert not Path("outputs/sweep/.runs").exists()


def test_names_that_no_folder_can_have(builds, tmp_path):
    long = ",".join("abcdefgh" * 5 for _ in range(8))
    for path in ("a/b.pth", "a_b.pth", "c d.pth"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        torch.save({"net": {}}, tmp_path / path)  # what it says of its training is read before a run
    paths = f"model.weights=a/b.pth,a_b.pth,'{tmp_path}/c d.pth'"
    assert main(["-m", "model=yolo_nas_s", paths, "input.size=64", f"model.class_names=[{long}]"]) == 0
    folders = [run["folder"] for run in summary()["runs"]]
    assert len(set(folders)) == 3
    assert all(Path("outputs/sweep", folder, "manifest.json").is_file() for folder in folders)
    page = Path("outputs/sweep/summary.html").read_text(encoding="utf-8")
    assert f"{tmp_path}/c d.pth" in page


@pytest.mark.slow
def test_runs_with_one_folder_of_hydras_are_refused(builds):
    assert main([*MODEL, "input.size=64,96", "hydra.sweep.subdir=x"]) == 1
    first, second = summary()["runs"]
    assert first["state"] == "done" and "run 0 of this sweep goes there too" in second["reason"]


def test_runs_with_one_folder_are_refused(builds):
    assert main([*MODEL, "input.size=64,96", "output_dir=x"]) == 1
    first, second = summary()["runs"]
    assert first["state"] == "done" and first["folder"] == "../../x" and Path("x/manifest.json").is_file()
    assert second["reason"].startswith("output_dir=../../x: run 0 of this sweep goes there too")


@pytest.mark.slow
def test_an_output_dir_of_each_runs_own(builds):
    """Where it goes is what its words come to, not what they look like."""
    assert main([*MODEL, "input.size=64,96", "output_dir=o_${input.size}/${name}"]) == 0
    runs = summary()["runs"]
    assert [run["folder"] for run in runs] == ["../../o_64/yolo_nas_s", "../../o_96/yolo_nas_s"]
    assert [run["figures"]["map"] for run in runs] == [89.36, 89.04]
    assert all(Path("outputs/sweep", run["folder"], "manifest.json").is_file() for run in runs)
    assert {path.name for path in Path("outputs/sweep").iterdir()} == {
        "multirun.yaml", "summary.json", "summary.csv", "summary.html",
    }  # fmt: skip
    assert main([*MODEL, "input.size=64,96", "output_dir=a,b"]) == 1  # two of the four go to each
    assert [run["state"] for run in summary()["runs"]].count("failed") == 2


@pytest.mark.slow
def test_the_name_in_a_folder_of_a_run_is_its_name(builds):
    overrides = ["-m", "+recipe=yolo_nas_s,ppyoloe_s", "hydra.sweep.subdir=${name}/${input.size}"]
    assert main([*overrides, "input.size=64"]) == 0
    assert [run["folder"] for run in summary()["runs"]] == ["yolo_nas_s/64", "ppyoloe_s/64"]
    assert main(["-m", "+recipe=yolo_nas_s", "hydra.sweep.subdir=${name}", "name=auto,mine", "input.size=64"]) == 0
    assert [run["folder"] for run in summary()["runs"]] == ["yolo_nas_s", "mine"]
    assert not Path("outputs/sweep/auto").exists()


def test_a_glob_makes_runs_or_is_refused(builds, capsys):
    assert main([*MODEL, "input.size=64", "benchmark=glob(*)"]) == 0
    names = sorted(path.stem for path in (CONF / "benchmark").glob("*.yaml"))
    assert [run["varied"] for run in summary()["runs"]] == [{"benchmark": name} for name in names]
    assert main([*MODEL, "input.size=64", "quantization=glob(nothing*)", "hydra.sweep.dir=none"]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("exporter: ")]
    assert line.startswith("exporter: quantization=glob(nothing*): nothing matches") and not Path("none").exists()


@pytest.mark.slow
def test_the_folder_of_the_sweep(builds, tmp_path, capsys):
    assert main([*MODEL, "input.size=64,96", f"hydra.sweep.dir={tmp_path}/it's mine/${{now:%Y}}"]) == 0
    (folder,) = (tmp_path / "it's mine").iterdir()
    assert folder.name.isdecimal() and len(summary(folder)["runs"]) == 2
    with sweeping_in(folder):
        assert main([*MODEL, "input.size=64,96", f"hydra.sweep.dir={folder}"]) == 2
    assert "another sweep is writing there" in capsys.readouterr().err


def test_the_flag_stands_anywhere(builds):
    assert main([MODEL[1], "--multirun", *MODEL[2:], "input.size=64,96"]) == 0
    assert [run["state"] for run in summary()["runs"]] == ["done", "done"]


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["sweep.constraint=drop<0.5 or so"], "is not a bound"),
        (["sweep.constraint=dropp<0.5"], "did you mean drop?"),
        (["hydra/launcher=joblib"], "needs hydra-joblib-launcher: pip install 'exporter[sweep]'"),
        (["hydra/sweeper=optuna"], "pip install 'exporter[optuna]'"),
        (["hydra/launcher=other", "benchmark=none,cpu"], "would time the runs beside it"),
        (["hydra.sweep.dir="], "hydra.sweep.dir: empty"),
        (["hydra.sweep.dir=${nowhere}"], "hydra.sweep.dir"),
        (["input.seize=64,96"], "input.seize: no such key; did you mean size?"),
    ],
)
def test_what_would_fail_every_run_is_refused_at_once(builds, monkeypatch, capsys, overrides, says):
    monkeypatch.setattr("exporter.pipeline.sweep.overrides._installed", lambda package: False)
    assert main([*MODEL, *overrides]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and says in lines[0]
    assert not Path("outputs").exists()


def test_a_launcher_that_cannot_start_is_one_line(builds, monkeypatch, capsys):
    monkeypatch.setattr("exporter.cli.hydra_run.through_hydra", fails(ValueError("no such cluster:\nstart one")))
    assert main([*MODEL, "input.size=64,96"]) == 1
    line = "exporter: the sweep did not begin: ValueError: no such cluster: start one"
    assert capsys.readouterr().err.splitlines() == [line]
    assert not Path("outputs/sweep").exists()


def test_settings_of_a_sweep_are_for_sweeps(builds, capsys):
    assert main(["model=yolo_nas_s", "model.weights=random", "sweep.constraint=drop<=0.5"]) == 2
    assert "sweep: has no effect on a single build" in capsys.readouterr().err


def test_the_metric_of_a_run(builds, monkeypatch):
    returned = []
    monkeypatch.setattr("exporter.cli.hydra_run.task", lambda config: returned.append(task(config)))
    assert main([*MODEL, "input.size=64,65", "sweep.metric=size, drop"]) == 1
    assert main([*MODEL, "input.size=64"]) == 0
    assert returned == [(0.064, 0.5), None, None]
    with pytest.raises(ValidationError, match="must be one of map, drop"):
        Sweep(metric="speed")
