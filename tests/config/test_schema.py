"""The schema of recipes: what ships is valid, what would not compose is not, and it is made of the nodes themselves."""

import json
import re
import subprocess
import sys

import pytest
from jsonschema import Draft7Validator, Draft202012Validator
from omegaconf import OmegaConf

from exporter.cli import main
from exporter.cli.help import summary
from exporter.common.errors import RequestError
from exporter.common.paths import CONF, RECIPES
from exporter.config.check import KEYS, SETTINGS, check
from exporter.config.compose import compose
from exporter.config.nodes import PLACES
from exporter.config.schema.comments import read_comments
from exporter.config.schema.schema import recipe_schema, schema_text

SCHEMA = recipe_schema()
# Older language servers read every schema by draft 7.
VALIDATORS = [
    Draft202012Validator(SCHEMA),
    Draft7Validator({**SCHEMA, "$schema": "http://json-schema.org/draft-07/schema#"}),
]
OPTIONS = [path for place in (*SETTINGS, *PLACES) for path in sorted((CONF / place.replace(".", "/")).glob("*.yaml"))]


def load(text):
    return OmegaConf.to_container(OmegaConf.create(text), resolve=False)


def accepted(recipe):
    """Whether both drafts take it; they must agree."""
    (one, other) = (validator.is_valid(recipe) for validator in VALIDATORS)
    assert one == other
    return one


def test_it_is_a_schema():
    for validator in VALIDATORS:
        validator.check_schema(validator.schema)


def test_every_key_of_a_recipe_is_in_it_but_trust():
    assert set(SCHEMA["properties"]) == {*KEYS, "defaults", "hydra"} - {"trust"}


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_recipe_is_valid(path):
    assert accepted(OmegaConf.to_container(OmegaConf.load(path), resolve=False))


@pytest.mark.parametrize("path", OPTIONS, ids=lambda path: path.relative_to(CONF).as_posix())
def test_every_option_could_stand_in_a_recipe(path):
    """With ??? and interpolations as they are written."""
    values = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    values.pop("defaults", None)
    for part in reversed(path.relative_to(CONF).parts[:-1]):
        values = {part: values}
    assert accepted(values)


def test_the_readmes_recipe_is_valid():
    (recipe,) = re.findall(r"```yaml\n(# @package _global_.*?)```", (CONF / "README.md").read_text(), re.DOTALL)
    assert accepted(load(recipe))


TAKEN = [
    "name: mine\noutput_dir: somewhere/${name}",
    "input: {size: dynamic, batch: dynamic, height: '${.size}'}",
    "proof: {max_box_error: 1e-3, num_images: '???'}",
    "postprocessing: {nms: {confidence_threshold: auto, max_candidates_per_image: null}}",
    "defaults: [yolo_nas_s_int8, /recipe/mine, {override /postprocessing/nms: efficientnms}, _self_]",
    "defaults: [{override /quantization: '${oc.env:PRECISION}'}]",
    "defaults: [{override /hydra/launcher: joblib}]\nhydra: {sweeper: {params: {input.size: 320,640}}}",
    "quantization: {exclude: [backbone.*], reduce_range: auto, max_drop: 1}",
    "model: {weights: mine.pth, class_names: [cat, dog]}",
    "backend: {batch: [1, 8, 16]}",
    # User code takes what it likes.
    "defaults: [{override /model: custom}]\nmodel: {_target_: mine.network, depth: 3}",
    "model: {_target_: mine.network, depth: 3}",
    "defaults: [{override /postprocessing/format: custom}]\npostprocessing: {format: {columns: 3}}",
    "defaults: [my_base]\ncalibration: {own_key_of_its_loader: 1}",
]


@pytest.mark.parametrize("text", TAKEN)
def test_what_a_recipe_may_say(text):
    assert accepted(load(text))


REFUSED = [
    "quantisation: {scheme: auto}",
    "trust: [os]",
    "input: {hight: 320}",
    "input: {size: big}",
    "input: {dtype: int7}",
    "input: 320",
    "export: {opset: 3}",
    "proof: {num_images: 0}",
    "proof: {num_images: many}",
    "backend: {batch: [1, 8]}",
    "backend: {batch: [1, many, 16]}",
    "benchmark: {rounds: 1}",
    "model: {wieghts: mine.pth}",
    "model: {accept_license: 2}",
    "model: {_target_: exporter.model.KnownModels}",
    "evaluation: {max_drop: -1}",
    "calibration: {method: median}",
    "quantization: {scheme: u8u8}",
    "quantization: {first_n: 1.5}",
    "postprocessing: {mns: {}}",
    "postprocessing: {nms: {iou: 0.5}}",
    "postprocessing: {nms: {nms_threshold: 2}}",
    "postprocessing: {format: {columns: 3}}",
    "defaults: {override /model: yolo_nas_s}",
    "defaults: [{override /model: yolo_nas_q}]",
    "defaults: [{override /modell: yolo_nas_s}]",
    "defaults: [{override model: yolo_nas_s}]",
    "defaults: [{override /postprocessing/nms: batch}]",
    "defaults: [{override /model: yolo_nas_s, override /backend: tensorrt}]",
    "defaults: [override /model yolo_nas_s]",
    # Choosing your own code in one group frees no other.
    "defaults: [{override /model: custom}]\nevaluation: {own_key: 1}",
    "defaults: [{override /model: yolo_nas_s}, _self_]\nmodel: {depth: 3}",
]


@pytest.mark.parametrize("text", REFUSED)
def test_what_a_recipe_may_not_say(text):
    assert not accepted(load(text))


def test_composing_refuses_the_same(tmp_path, monkeypatch):
    """The schema is no stricter than the exporter."""
    alone = ("defaults", "trust", "input: 320", "postprocessing: {mns")  # and code that is not trusted
    texts = [text for text in REFUSED if not text.startswith(alone) and "_target_" not in text]
    recipe = OmegaConf.merge({"defaults": [{"override /model": "yolo_nas_s"}]}, *(load(text) for text in texts))
    (tmp_path / "recipes").mkdir()
    OmegaConf.save(recipe, tmp_path / "recipes" / "mine.yaml")
    monkeypatch.chdir(tmp_path)
    overrides = ["+recipe=mine", "quantization=int8", "benchmark=cpu", "evaluation=demo", "backend=tensorrt"]
    with pytest.raises(RequestError) as error:
        check(compose(overrides))
    keys = re.findall(r"(\w+): [^{]", " ".join(texts))
    assert len(keys) == len(texts)
    assert all(key in str(error.value) for key in keys), error.value


def test_the_faults_are_named():
    (error,) = VALIDATORS[0].iter_errors(load("model: {wieghts: mine.pth}"))
    assert "'wieghts' is not one of" in error.message
    (error,) = VALIDATORS[0].iter_errors(load("quantisation: {}"))
    assert "'quantisation' was unexpected" in error.message


def test_keys_carry_what_conf_says_of_them():
    quantization = SCHEMA["properties"]["quantization"]["properties"]
    assert (
        quantization["per_channel"]["description"]
        == "a scale for each output channel of the weights; false: one for all of a layer's"
    )
    assert quantization["per_channel"]["anyOf"] == [{"type": "boolean"}, {"$ref": "#/$defs/later"}]
    assert quantization["first_n"]["default"] == 0
    calibration = SCHEMA["properties"]["calibration"]["properties"]
    assert "auto, demo: synthetic images to draw" in calibration["num_images"]["description"]
    assert "default" not in calibration["num_images"]  # 32 of some options, 128 of others


def test_comments_above_beside_and_at_the_head(tmp_path):
    path = tmp_path / "some.yaml"
    path.write_text(
        "# Of the file,\n# in two lines.\na: 1\n# of b\n# and c\nb: 2\nc: 3\nd: 4 # of d\ng: 7\n\ne: '#5'\n  # deeper\nf: [1] # of f\n"
    )
    comments = read_comments(path)
    assert comments.summary == "Of the file, in two lines."
    assert comments.keys == {"b": "of b and c", "c": "of b and c", "d": "of d", "f": "of f"}


def test_it_is_printed_the_same_each_time_and_imports_nothing_heavy(capsys):
    code = "import sys; from exporter.cli import main; main(['schema']); print('torch' in sys.modules, file=sys.stderr)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stderr.strip() == "False"
    assert main(["schema"]) == 0
    assert capsys.readouterr().out == run.stdout == schema_text()
    assert json.loads(run.stdout) == SCHEMA


def test_an_editors_line_is_not_the_recipes_description(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("# yaml-language-server: $schema=recipe.schema.json\n# @package _global_\n# What it is.\nname: a\n")
    assert summary(path) == "What it is."
