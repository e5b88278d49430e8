"""Every recipe for TensorRT that ships makes a file in which the lint finds nothing."""

import onnx
import pytest

from exporter.backend.lint import lint
from exporter.common.paths import RECIPES
from exporter.config.compose import compose
from exporter.config.recipe import check
from tests.making import made


@pytest.mark.slow
@pytest.mark.parametrize("nms", ["efficientnms", "onnx"])
@pytest.mark.parametrize("name", sorted(path.stem for path in RECIPES.glob("*_trt.yaml")))
def test_a_shipped_recipe_is_clean(name, nms):
    words = [f"+recipe={name}", f"postprocessing/nms={nms}", "input.size=64", "model.weights=random"]
    if "int8" in name:
        words += ["calibration=demo", "calibration.num_images=2"]
    recipe = check(compose(words))
    found = lint(onnx.load_from_string(made(recipe.model.load(), recipe)))
    assert [finding for finding in found if finding.level == "error"] == []
    assert {finding.rule for finding in found} <= {"plugin-deprecated", "nms-pairs"}
