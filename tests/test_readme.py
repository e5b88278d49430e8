"""Every command of the README is run, builds on small inputs; its Python too; its table of arguments is complete."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from exporter.artifact.signature.sign import sign
from exporter.cli import main
from exporter.demo.scenes import scene
from exporter.model.architectures import ARCHITECTURES
from exporter.model.weights import random_state
from exporter.report.drawing import write_png
from tests.signature.keys import write_key

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
SET_UP, REST = README.split("## What you get", 1)
COMMANDS = re.findall(r"^python -m exporter (.*)$", REST, re.MULTILINE)
OTHERS = re.findall(r"^((?:cd|openssl) .*)$", REST, re.MULTILINE)
SMALL = {"input.size": "64", "proof.num_scenes": "0", "proof.num_images": "2", "calibration.num_images": "4"}
PROCESSING = {"ComposeProcessing": {"processings": [
    {"DetectionLongestMaxSizeRescale": {"output_shape": (64, 64)}},
    {"DetectionCenterPadding": {"output_shape": (64, 64), "pad_value": 114}},
    {"StandardizeImage": {"max_value": 255.0}}, {"ImagePermute": {"permutation": (2, 0, 1)}},
]}}  # fmt: skip
# Weights at random are no measure of what INT8 costs.
LOOSE = {"proof.mean_score_error": "1", "proof.mean_box_error": "1000"}


@pytest.fixture
def workplace(tmp_path, monkeypatch, int8_artifact, one_store):
    """A working directory in which everything lies that the README's commands name; one store, as a user has."""
    monkeypatch.chdir(tmp_path)
    network = ARCHITECTURES["yolo_nas_s"].create(3)
    torch.save({"net": random_state(network, 0), "processing_params": {"image_processor": PROCESSING}}, "mine.pth")
    (tmp_path / "pictures").mkdir()
    for i in range(3):
        write_png(tmp_path / "pictures" / f"{i}.png", scene("calibration", i, 120, 90).image)
    for name in ("yolo_nas_s", "yolo_nas_s_int8"):
        shutil.copytree(int8_artifact, tmp_path / "outputs" / name)
    write_key(tmp_path, "builder")
    sign(Path("outputs/yolo_nas_s_int8"), Path("builder.key"), None)
    (tmp_path / "exporter" / "demo").mkdir(parents=True)
    write_png(tmp_path / "exporter" / "demo" / "preview.jpg", scene("evaluation", 0, 320, 640).image)
    (tmp_path / "recipes").mkdir()
    (recipe,) = re.findall(r"```yaml\n(# @package _global_.*?)```", README, re.DOTALL)
    (tmp_path / "recipes" / "my_camera.yaml").write_text(recipe)
    return tmp_path


def small(words: list[str]) -> list[str]:
    """The words of a build, made quick: the README's own sizes give way, its other keys stay."""
    if words[0] in ("benchmark", "advise"):
        words = [*words, "--rounds", "2"]
    if "--num-images" in words:
        words[words.index("--num-images") + 1] = "2"
    if not any("=" in word for word in words) or "--cfg" in words:
        return words
    sweeping = "-m" in words
    kept = [word for word in words if not word.startswith("input.size=") or word.endswith("=auto")]
    kept = ["evaluation.num_images=4" if word.startswith("evaluation.num_images=") else word for word in kept]
    settings = SMALL | (LOOSE if any("mine.pth" in word for word in words) else {})
    if sweeping:
        # Two recipes are a sweep already.
        settings["input.size"] = "64" if any(word.startswith("+recipe=") and "," in word for word in words) else "64,96"
    if "input.size=auto" in words:
        settings.pop("input.size")
    if not any("int8" in word or "camera" in word for word in words) or sweeping:
        settings.pop("calibration.num_images")
    return kept + [f"{key}={value}" for key, value in settings.items()]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_runs(command, workplace):
    words = shlex.split(command.split("  #")[0])
    if "NAME" in command or "DIR" in command:
        pytest.fail(f"not a command that can be typed as it stands: {command}")
    assert main(small(words)) == 0


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed here")
@pytest.mark.parametrize("command", OTHERS)
def test_every_command_of_another_program_runs(command, workplace):
    subprocess.run(["bash", "-c", command], check=True, capture_output=True)


def test_the_recipe_shown_builds(workplace):
    assert main(small(["+recipe=my_camera"])) == 0


def test_the_python_shown_runs(workplace):
    (program,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(program.replace("input.size=320", "input.size=64"), {})
    assert (workplace / "outputs" / "small" / "manifest.json").is_file()


def test_set_up_is_two_commands():
    assert len(re.findall(r"```bash\n[^\n]+\n```", SET_UP)) == 2
    assert SET_UP.count("```") == 4


def test_every_argument_of_the_original_has_a_row():
    arguments = """confidence_threshold nms_threshold engine quantization_mode selective_quantizer calibration_loader
    calibration_method calibration_batches calibration_percentile preprocessing postprocessing postprocessing_kwargs
    batch_size input_image_shape input_image_channels input_image_dtype max_predictions_per_image onnx_export_kwargs
    onnx_simplify device output_predictions_format num_pre_nms_predictions"""
    assert all(f"| `{argument}` |" in README for argument in arguments.split())
