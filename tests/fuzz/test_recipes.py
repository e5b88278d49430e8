"""Random compositions: a clear refusal before work starts, or a checked recipe, which then builds."""

import functools
import json
import os
from pathlib import Path

import pytest
import yaml

import exporter.config.compose
from exporter.cli import main
from exporter.common.errors import RequestError
from exporter.common.quoting import quote_path
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.config.recipe import Recipe
from tests.fuzz.campaign import fuzz
from tests.fuzz.mutations import refused_or
from tests.fuzz.recipes import contents, overrides


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """The shipped recipes are read once, not for every case; nothing may be written where we are."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(exporter.config.compose, "read_recipe", functools.cache(exporter.config.compose.read_recipe))


def checked(said: list[str]) -> Recipe:
    return check(compose([quote_path(override) for override in said]))


@fuzz(few=6, many=400, said=overrides())
def test_overrides_are_a_recipe_or_a_refusal(said: list[str], tmp_path: Path):
    before = dict(os.environ)
    found = refused_or(lambda: checked(said))
    if found is not None:
        assert found.nms is not None and str(found.name).isprintable()
        json.dumps(found.config)  # it becomes the manifest's
    assert not list(tmp_path.iterdir()) and dict(os.environ) == before


@fuzz(few=3, many=150, content=contents())
def test_files_are_a_recipe_or_a_refusal(content: dict, tmp_path: Path, monkeypatch):
    (tmp_path / "recipes").mkdir(exist_ok=True)
    path = tmp_path / "recipes" / "mine.yaml"
    try:
        path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    except (ValueError, yaml.YAMLError):  # what no YAML can hold
        return
    exporter.config.compose.read_recipe.cache_clear()
    refused_or(lambda: checked(["+recipe=mine"]))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["recipes"]


@fuzz(few=3, many=150, said=overrides(most=3))
def test_the_command_line_says_one_line(said: list[str], tmp_path: Path, capsys):
    """`plan` composes and checks as a build does, and does no work."""
    code = main(["plan", *said])
    out, err = capsys.readouterr()
    if code == 0:
        assert err == "" and out
    else:
        assert (
            code == 2
            and out == ""
            and err.startswith("exporter: ")
            and err.count("\n") == 1
            and err.strip().isprintable()
        ), err


def test_a_good_one_passes():
    assert checked(["model=yolo_nas_s", "input.size=64"]).input.nominal == (64, 64)
    with pytest.raises(RequestError, match="33"):
        checked(["model=yolo_nas_s", "input.size=33"])
