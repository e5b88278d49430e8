"""Every network in every precision for TensorRT makes a file in which the lint finds nothing."""

import onnx
import pytest

from exporter.backend.lint import lint
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.model.architectures import ARCHITECTURES
from tests.making import made


@pytest.mark.slow
@pytest.mark.parametrize("nms", ["efficientnms", "onnx"])
@pytest.mark.parametrize("precision", ["none", "fp16", "int8", "int8_fp16"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_what_is_built_for_tensorrt_is_clean(name, precision, nms):
    overrides = [f"+recipe={name}", f"quantization={precision}", "backend=tensorrt", f"postprocessing/nms={nms}"]
    overrides += ["input.size=64", "model.weights=random", f"export.opset={19 if precision == 'int8_fp16' else 18}"]
    if "int8" in precision:
        overrides += ["calibration=demo", "calibration.num_images=2"]
    recipe = check(compose(overrides))
    found = lint(onnx.load_from_string(made(recipe.model.load(), recipe)))
    assert [finding for finding in found if finding.level == "error"] == []
    assert {finding.rule for finding in found} <= {"plugin-deprecated", "nms-pairs"}
