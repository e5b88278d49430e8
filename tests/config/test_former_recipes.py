"""Recipes of 0.1.0 that are gone: whoever asks for one is told the words, and these mean what the recipe meant."""

import re

import pytest
import yaml

from exporter.cli import main
from exporter.common.errors import RequestError
from exporter.common.paths import RECIPES
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.config.no_such_recipe import TABLE
from exporter.postprocessing.nms.efficientnms import EfficientNms

SHIPPED = {path.stem for path in RECIPES.glob("*.yaml")}
FORMER = yaml.safe_load(TABLE.read_text(encoding="utf-8"))


def test_there_are_no_more_than_hold_a_decision():
    assert len(SHIPPED) <= 30
    assert not SHIPPED & FORMER.keys()


def model_and_kind(name):
    """`yolo_nas_s_int8_trt` as "yolo_nas_s" and "int8_trt"."""
    return re.fullmatch(r"(yolo_nas_[sml]|ppyoloe_[smlx])_(\w+)", name).groups()


KINDS = {model_and_kind(name)[1]: (name, overrides) for name, overrides in FORMER.items()}


@pytest.mark.parametrize(("name", "overrides"), KINDS.values(), ids=KINDS)
def test_the_words_mean_what_the_recipe_meant(name, overrides):
    """Of each kind for one network; what the others are told differs from it by the network's name alone."""
    model, kind = model_and_kind(name)
    for other, theirs in FORMER.items():
        its_model, its_kind = model_and_kind(other)
        if its_kind == kind:
            assert theirs == overrides.replace(model, its_model)
            assert theirs.split()[0].removeprefix("+recipe=") in SHIPPED
    recipe = check(compose([*overrides.split(), "model.weights=random", *["calibration=demo"] * ("int8" in name)]))
    chosen = type(recipe.quantization).__name__
    assert chosen == {"int8_fp16": "Int8Fp16", "int8": "Int8", "fp16": "Fp16"}.get(
        next((each for each in ("int8_fp16", "int8", "fp16") if f"_{each}" in name), ""), "NoQuantization"
    )
    backend = {"trt": "TensorRT", "openvino": "OpenVino"}.get(name.rpartition("_")[2], "OnnxRuntime")
    assert type(recipe.backend).__name__ == backend
    assert isinstance(recipe.nms, EfficientNms) == name.endswith("_trt")
    assert recipe.export.opset == (19 if "int8_fp16" in name else 18)
    assert recipe.model.architecture == model


@pytest.mark.parametrize("overrides", [["+recipe=yolo_nas_m_int8_trt"], ["recipes", "--copy", "yolo_nas_m_int8_trt"]])
def test_one_line_says_what_to_write_instead(overrides, capsys):
    assert main(overrides) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.endswith("a recipe of 0.1.0; write instead: +recipe=yolo_nas_m quantization=int8 backend=tensorrt")


def test_a_recipe_of_yours_that_begins_with_one_is_told_too(tmp_path, monkeypatch):
    (tmp_path / "recipes").mkdir()
    monkeypatch.chdir(tmp_path)
    for base, says in {
        "yolo_nas_s_trt": r"yolo_nas_s_trt: a recipe of 0\.1\.0; write instead: \+recipe=yolo_nas_s backend=tensorrt",
        "/recipe/yolo_nas_z": "no such recipe; did you mean yolo_nas_s",
    }.items():
        (tmp_path / "recipes" / "mine.yaml").write_text(f"# @package _global_\ndefaults:\n  - {base}\n  - _self_\n")
        with pytest.raises(RequestError, match=says):
            compose(["+recipe=mine"])
    (tmp_path / "recipes" / "mine.yaml").write_text("# @package _global_\ndefaults:\n  - yolo_nas_s\n  - _self_\n")
    assert compose(["+recipe=mine"]).recipe_name == "mine"
