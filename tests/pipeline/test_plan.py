"""`exporter plan -m`: the runs that a sweep of these overrides would make."""

import pytest

from exporter.cli import main
from exporter.common.errors import RequestError
from exporter.common.paths import CONF, recipe_files
from exporter.pipeline.plan import combinations


def test_glob_takes_the_options_that_there_are():
    found = combinations(["+recipe=glob(yolo_nas_s*,exclude=*int8*)", "input.size=64,96"])
    recipes = [name for name in recipe_files() if name.startswith("yolo_nas_s") and "int8" not in name]
    assert sorted(found) == sorted([f"+recipe={name}", f"input.size={size}"] for name in recipes for size in (64, 96))
    found = combinations(["model=yolo_nas_s", "quantization=glob(*)"])
    assert [overrides[1] for overrides in found] == sorted(
        f"quantization={p.stem}" for p in (CONF / "quantization").iterdir()
    )


def test_no_run_is_an_error(capsys):
    with pytest.raises(RequestError, match=r"^\+recipe=glob\(nothing\*\): nothing matches"):
        combinations(["+recipe=glob(nothing*)"])
    assert main(["plan", "-m", "+recipe=glob(nothing*)"]) == 2
    assert "nothing matches" in capsys.readouterr().err


def test_runs_that_are_refused_do_not_hide_the_others(capsys):
    overrides = ["+recipe=yolo_nas_s", "model.weights=random", "input.size=64,65,96", "proof.num_scenes=0"]
    assert main(["plan", "--multirun", *overrides]) == 2
    said = capsys.readouterr()
    assert said.out.count("load weights") == 2
    (refused,) = [line for line in said.out.splitlines() if "refused" in line]
    assert "input.size=65: must be a multiple of 32" in refused
    assert said.err.splitlines() == ["exporter: -m: 1 of 3 runs are refused: the lines above say why"]


def test_paths_are_swept_over_as_in_a_sweep(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["plan", "-m", "model=yolo_nas_s", "model.weights=random,mine.pth"]) == 2
    said = capsys.readouterr()
    assert "model.weights=mine.pth: no such file" in said.out and "1 of 2 runs" in said.err
