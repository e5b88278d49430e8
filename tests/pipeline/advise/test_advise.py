"""What is advised follows from what was measured; nothing is built that decides what is to be decided."""

import contextlib
import io
import json
import shlex
from dataclasses import replace

import pytest

from exporter.artifact.benchmark.cases import Case
from exporter.artifact.benchmark.compare import Row
from exporter.cli import main, verbs
from exporter.cli.verbs import advise
from exporter.common.errors import BuildError, RequestError
from exporter.common.progress import Progress
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.pipeline.advise import tried as trying
from exporter.pipeline.advise.tried import Tried, best_of
from exporter.pipeline.advise.variants import Variant, checked, recipe_text, variants
from exporter.runtime import openvino
from exporter.runtime.onnx_runtime import OnnxRuntimeEngine
from tests.pipeline.sweep.made import manifest

pytestmark = pytest.mark.usefixtures("one_store")

OVERRIDES = ["+recipe=yolo_nas_s", "evaluation=demo", "evaluation.num_images=2", "input.size=64", "calibration=demo",
         "calibration.num_images=4", "proof.num_scenes=0", "proof.num_images=2"]  # fmt: skip
VARIANT = Variant("openvino_int8", ("backend=openvino", "quantization=int8"))


@pytest.fixture
def tried(tmp_path):
    """Makes a variant that took so many milliseconds and lost so many points."""
    case = Case(tmp_path, manifest(), OnnxRuntimeEngine(), 1, 1)

    def make(name, p50, drop, why=None):
        return Tried(Variant(name, ()), Row(case, p50_ms=p50, map=50.0), drop, why)

    return make


def test_the_fastest_that_holds_the_bound(tried):
    rows = [
        tried("a", 9.0, 0.0),
        tried("b", 3.0, 0.7),
        tried("c", 4.0, 0.4),
        tried("d", 4.0, 0.3),
        tried("e", 1.0, None),
    ]
    assert best_of(rows, 0.5) is rows[3]
    assert best_of(rows, 1.0) is rows[1]
    assert best_of(rows, 0.0) is rows[0]
    assert best_of(rows[1:], 0.1) is None
    assert best_of([Tried(Variant("a", ()), None, None, "failed")], 9) is None


@pytest.mark.parametrize(("int8", "best"), [(4.9, 1), (4.91, 0), (5.0, 0), (6.0, 0)])
def test_a_lower_precision_has_to_be_two_percent_faster(tried, int8, best):
    fp32 = tried("fp32", 5.0, 0.0)
    rows = [replace(fp32, variant=replace(fp32.variant, fp32=True)), tried("int8", int8, 0.1), tried("slow", 9.0, 0.0)]
    assert best_of(rows, 0.5) is rows[best]


def test_the_table_says_why_something_was_not_measured(tried):
    rows = [tried("slow", 9.0, 0.0), tried("quick", 3.0, 0.7), Tried(Variant("none", ()), None, None, "no room")]
    _, first, second, third = advise.table(rows, rows[1])
    assert first.split()[0] == "quick" and "take this" in first
    assert second.split()[0] == "slow" and "take this" not in second
    assert "no room" in third


def test_which_variants_there_are(monkeypatch):
    monkeypatch.setattr("exporter.pipeline.advise.variants.about", lambda: {"capabilities": ["FP32", "BF16"]})
    assert [each.name for each in variants()] == [
        "onnxruntime", "openvino_int8", "openvino", "openvino_bf16", "onnxruntime_int8",
    ]  # fmt: skip
    monkeypatch.setattr("exporter.pipeline.advise.variants.installed", lambda: False)
    assert [(each.name, each.fp32) for each in variants()] == [("onnxruntime", True), ("onnxruntime_int8", False)]


@pytest.mark.parametrize(
    "override", ["backend=openvino", "quantization.scheme=s8s8", "output_dir=a", "name=b", "benchmark=cpu"]
)
def test_what_is_to_be_decided_cannot_be_said(override):
    with pytest.raises(RequestError, match="advise chooses backend, quantization"):
        checked([*OVERRIDES, override], VARIANT, "out")


def refused(*arguments, **given):
    with pytest.raises(RequestError) as error:
        run(*arguments, **given)
    return str(error.value)


def run(*arguments, out, save=None):
    """What the verb prints, line by line; what it raises goes through."""
    flags = ["--max-drop", "100", "--budget", "600", "--threads", "1", "--rounds", "2", "--out", str(out)]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert verbs.run("advise", [*arguments, *flags, *(["--save", save] if save else [])]) == 0
    return printed.getvalue().splitlines()


def test_what_is_refused_before_anything_is_built(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("exporter.pipeline.advise.variants.variants", lambda: [VARIANT])  # a composition for each
    out = tmp_path / "out"
    assert "needs labelled images" in refused("+recipe=yolo_nas_s", out=out)
    assert "yolo_nas_s.yaml is there already: give another name" in refused(*OVERRIDES, save="yolo_nas_s", out=out)
    assert "--save ../a" in refused(*OVERRIDES, save="../a", out=out)
    assert "only the command line can say this" in refused(*OVERRIDES, "trust=mine", save="mine", out=out)
    assert "no such recipe" in refused("+recipe=nothing", out=out)
    assert not list(tmp_path.iterdir())


def test_the_recipe_that_is_saved_is_what_was_advised(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").mkdir()
    text = recipe_text([*OVERRIDES, "postprocessing/format=flat", "input.channels=bgr"], VARIANT, "mine", "Why.")
    (tmp_path / "recipes" / "mine.yaml").write_text(text)
    saved = check(compose(["+recipe=mine"]))
    said = checked([*OVERRIDES, "postprocessing/format=flat", "input.channels=bgr"], VARIANT, "outputs/mine")
    same = replace(saved, name=said.name, recipe_name=said.recipe_name, overrides=said.overrides, config=said.config)
    assert same == replace(said, output_dir=saved.output_dir)
    assert text.splitlines()[1] == "# Why." and "+recipe=mine" in text.splitlines()[2]


@pytest.mark.slow
def test_from_overrides_to_a_recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "out"
    told = run(*OVERRIDES, out=out, save="mine")
    advice = json.loads((out / "advice.json").read_text())
    names = [each["variant"] for each in advice["tried"]]
    assert names[0] == "onnxruntime" and {"openvino", "openvino_int8", "onnxruntime_int8"} <= set(names)
    (taken,) = [each for each in advice["tried"] if each["taken"]]
    assert taken["p50_ms"] == min(each["p50_ms"] for each in advice["tried"] if each["p50_ms"])
    assert all(each["drop"] is not None and each["map"] is not None for each in advice["tried"] if each["p50_ms"])
    assert f"  python -m exporter {shlex.join([*OVERRIDES, *taken['words']])}" in told
    assert (out / "advice.png").is_file() and (out / taken["variant"] / "model.onnx").is_file()
    assert check(compose(["+recipe=mine"])).backend.name in taken["words"][0]


def test_a_spent_budget_leaves_the_rest_untried(tmp_path, monkeypatch):
    built = []

    def build(recipe, progress):
        built.append(recipe.name)
        return manifest()

    monkeypatch.setattr("exporter.pipeline.build.build", build)
    clock = iter(range(0, 10_000, 100))
    monkeypatch.setattr(trying.time, "monotonic", lambda: next(clock))
    recipes = {each: checked(OVERRIDES, each, str(tmp_path / each.name)) for each in variants()}
    done, failed = trying._build(recipes, 200, Progress())
    assert len(built) == len(done) == 1 and set(failed) == set(recipes) - set(done)
    assert all("of --budget 200 were spent" in why for why in failed.values())


def test_nothing_holds_the_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(trying, "compared", lambda cases, rounds: [Row(case, why="died") for case in cases])
    monkeypatch.setattr(trying, "_build", lambda recipes, budget, progress: ({}, dict.fromkeys(recipes, "failed")))
    monkeypatch.setattr("exporter.pipeline.advise.variants.variants", lambda: [VARIANT])
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(BuildError, match="no variant that was tried holds it"):
        run(*OVERRIDES, out=out)


def test_the_command_line_is_checked(capsys):
    assert main(["advise", "+recipe=yolo_nas_s"]) == 2
    assert "needs labelled images" in capsys.readouterr().err
    assert openvino.installed()
    assert main(["advise", *OVERRIDES, "--rounds", "1"]) == 2  # after minutes of building it would be too late
    assert "argument --rounds: '1': give a whole number of at least 2" in capsys.readouterr().err
