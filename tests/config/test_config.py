"""Composition: every shipped recipe, sizes, names, the caller's own Hydra."""

import subprocess
import sys

import hydra
import pytest
from hydra.core.global_hydra import GlobalHydra

from exporter.cli.help import summary
from exporter.common.errors import RequestError
from exporter.common.paths import RECIPES, recipe_files
from exporter.config.check import check
from exporter.config.compose import compose

SHIPPED = sorted(path.stem for path in RECIPES.glob("*.yaml"))


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_recipe_composes_and_says_what_it_is(name, tmp_path):
    overrides = [f"+recipe={name}"]
    (tmp_path / "a.png").write_bytes(b"not read: a recipe is checked by names alone")
    if not name.startswith("yolo_nas_s"):
        overrides += ["model.weights=random"]
        overrides += ["calibration=folder", f"calibration.path={tmp_path}"] if "int8" in name or "mixed" in name else []
    recipe = check(compose(overrides))
    assert recipe.name == name
    assert recipe.output_dir.as_posix() == f"outputs/{name}"
    path = RECIPES / f"{name}.yaml"
    assert not summary(path).startswith("(")
    assert f"+recipe={name}" in path.read_text()  # its command stands in its first comment


@pytest.mark.parametrize(
    ("overrides", "size"),
    [
        ([], (640, 640)),
        (["input.size=320"], (320, 320)),
        (["input.height=320"], (320, 640)),
        (["input.size=320", "input.width=96"], (320, 96)),
        (["input.width=96", "input.size=320"], (320, 96)),
    ],
)
def test_the_more_specific_size_of_the_command_line_wins(overrides, size):
    recipe = check(compose(["model=yolo_nas_s", *overrides]))
    assert (recipe.input.height, recipe.input.width) == size


def test_a_size_on_the_command_line_beats_sides_in_the_recipe(tmp_path, monkeypatch):
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "wide.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /model: yolo_nas_s\ninput:\n  height: 320\n  width: 960\n"
    )
    monkeypatch.chdir(tmp_path)
    given = check(compose(["+recipe=wide"])).input
    assert (given.height, given.width) == (320, 960)
    given = check(compose(["+recipe=wide", "input.size=416"])).input
    assert (given.height, given.width) == (416, 416)


def test_thresholds_are_the_models_unless_set():
    nms = check(compose(["model=yolo_nas_s", "postprocessing.nms.nms_threshold=0.5"])).nms
    assert (nms.confidence_threshold, nms.nms_threshold) == (0.25, 0.5)


def test_the_callers_own_hydra_is_left_alone(tmp_path):
    (tmp_path / "mine.yaml").write_text("a: 1\n")
    with hydra.initialize_config_dir(str(tmp_path), version_base="1.3"):
        before = GlobalHydra.instance().hydra
        check(compose(["+recipe=yolo_nas_s"]))
        assert GlobalHydra.instance().hydra is before
        assert hydra.compose("mine").a == 1


def test_recipes_of_the_working_directory_are_found(tmp_path, monkeypatch):
    (tmp_path / "recipes").mkdir()
    text = (RECIPES / "yolo_nas_s.yaml").read_text()
    (tmp_path / "recipes" / "mine.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    assert "mine" in recipe_files()
    assert check(compose(["+recipe=mine"])).name == "mine"


def test_help_imports_nothing_heavy_and_lists_everything():
    code = "import sys; from exporter.cli import main; main(['--help']); print(sorted({'torch', 'onnx', 'hydra'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *page, imported = run.stdout.strip().splitlines()
    assert imported == "[]"
    text = "\n".join(page)
    assert all(name in text for name in (*SHIPPED, "quantization", "postprocessing/nms", "calibration"))


@pytest.mark.parametrize("value", ["a b/c,d=e (f)", "it's", "x{y}", "back\\slash"])
def test_paths_need_no_quoting(value):
    from exporter.common.quoting import quote_path

    overrides = [quote_path(f"output_dir={value}"), quote_path(f"model.weights={value}.pth")]
    config = compose(["model=yolo_nas_s", *overrides]).config
    assert config.output_dir == value
    assert config.model.weights == f"{value}.pth"


def test_a_stray_key_beside_nms_and_format():
    with pytest.raises(RequestError, match=r"postprocessing\.mns: no such key"):
        check(compose(["+recipe=yolo_nas_s", "+postprocessing.mns=1"]))
