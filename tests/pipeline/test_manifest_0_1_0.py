"""A manifest that version 0.1.0 wrote, and every option as it wrote them: whatever has moved or got another name since,
`rebuild` still understands them; and edited by hand it ends in a line.

Of the artifact nothing but the manifest is kept: its `artifact.sha256` says what must come out."""

import json
from copy import deepcopy
from pathlib import Path

import pytest

from exporter.artifact.manifest import read_manifest
from exporter.cli import main
from exporter.common.errors import RequestError
from exporter.pipeline import rebuild as rebuild_module
from exporter.pipeline.rebuild import rebuild

FOLDER = Path(__file__).parent / "data" / "manifest_0_1_0"
VALUES = json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8"))
OPTIONS = json.loads((FOLDER / "options.json").read_text(encoding="utf-8"))
MISUNDERSTOOD = ("_target_", "no such key", "field required", "not a node")


class Reached(Exception):
    """The recipe was understood, and would be built now."""


@pytest.fixture
def asked(monkeypatch):
    """The recipes that were to be built."""
    recipes = []

    def build(recipe, progress, fresh):
        recipes.append(recipe)
        raise Reached

    monkeypatch.setattr(rebuild_module, "build", build)
    return recipes


def edited(folder: Path, place: tuple[str, ...], *value: object) -> Path:
    """`folder` with the manifest whose configuration has `value` at `place`, or nothing there."""
    values = deepcopy(VALUES)
    *above, last = place
    config = values["recipe"]["config"]
    for key in above:
        config = config[key]
    if value:
        config[last] = value[0]
    else:
        del config[last]
    (folder / "manifest.json").write_text(json.dumps(values))
    return folder


def places(config: dict, above: tuple[str, ...] = ()):
    for key, value in config.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from places(value, (*above, key))


def built_of(folder: Path) -> None:
    """What `rebuild` of a folder without anything else does."""
    for _ in rebuild(folder, None, None, None, None, ()):
        pass


@pytest.mark.slow
def test_it_is_built_again(capsys):
    assert main(["rebuild", str(FOLDER)]) == 0, capsys.readouterr().err
    assert "the same bytes" in capsys.readouterr().out


def test_it_is_read_as_it_was_written():
    manifest = read_manifest(FOLDER)
    assert manifest.model.weights.kind == "demo"  # new since then
    assert manifest.model_dump(mode="json", exclude_unset=True) == VALUES


def test_its_recipe_is_understood(asked):
    with pytest.raises(Reached):
        built_of(FOLDER)
    (recipe,) = asked
    assert (recipe.name, recipe.input.nominal, recipe.model.architecture) == ("yolo_nas_s", (160, 160), "yolo_nas_s")
    nms = {key: recipe.nms.model_dump()[key] for key in VALUES["postprocessing"]["nms"] if key != "type"}
    assert nms == {key: value for key, value in VALUES["postprocessing"]["nms"].items() if key != "type"}


@pytest.mark.parametrize(
    ("place", "option"), [(place, option) for place, options in OPTIONS.items() for option in options]
)
def test_every_option_is_understood(place, option, tmp_path, asked):
    """What does not go together, or is not here, may be said: as of a recipe of today."""
    try:
        built_of(edited(tmp_path, tuple(place.split(".")), OPTIONS[place][option]))
    except Reached:
        pass
    except RequestError as error:
        assert not [overrides for overrides in MISUNDERSTOOD if overrides in str(error)], error


@pytest.mark.parametrize("value", [(), (5,)], ids=["nothing", "a number"])
def test_edited_by_hand_it_is_built_or_ends_in_a_line(value, tmp_path, asked):
    for place in places(VALUES["recipe"]["config"]):
        print(place)
        with pytest.raises((Reached, RequestError)):
            built_of(edited(tmp_path, place, *value))


@pytest.mark.parametrize("key", ["name", "output_dir", "trust", "model"])
def test_what_was_taken_from_the_command_line_is_named(key, capsys):
    assert main(["model=yolo_nas_s", f"~{key}"]) == 2
    assert f"{key}" in capsys.readouterr().err
