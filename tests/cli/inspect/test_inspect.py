"""The verb inspect: what it says of a checkpoint is what a build takes from it."""

import shlex
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from exporter.cli import main
from exporter.cli.hydra_run import quote_path
from exporter.cli.verbs.inspect.describe import describe
from exporter.cli.verbs.inspect.steps import in_words
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.model.architectures import ARCHITECTURES
from exporter.model.stored import Step
from exporter.model.weights import random_state

PROCESSOR = {"ComposeProcessing": {"processings": [
    "ReverseImageChannels", {"DetectionLongestMaxSizeRescale": {"output_shape": (636, 700)}},
    {"DetectionCenterPadding": {"output_shape": (640, 704), "pad_value": 114}}, {"StandardizeImage": {"max_value": 255.0}},
    {"NormalizeImage": {"mean": [0.5, 0.25, 0.125], "std": [1, 2, 4]}}, {"Sharpen": {"by": 3}},
]}}  # fmt: skip


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    return random_state(ARCHITECTURES["yolo_nas_s"].create(3), 1)


def lines(path: Path, content: object) -> str:
    torch.save(content, path)
    return "\n".join(describe(path))


def test_a_checkpoint_of_supergradients(tmp_path, state):
    parameters = {"class_names": ["cat", "dog", "cow"], "image_processor": PROCESSOR, "iou": 0.65, "conf": 0.5}
    said = lines(tmp_path / "my net.pth", {"net": state, "ema_net": state, "processing_params": parameters})
    for part in (
        f"{tmp_path}/my net.pth: PyTorch checkpoint, 921 entries, 19,019,161 parameters, sha256 ",
        "network         yolo_nas_s\n",
        "all 921 entries fit\n",
        "classes         3: cat, dog, cow\n",
        "weights         taken from ema_net: averages over training (EMA)\n",
        "thresholds      confidence 0.5, NMS 0.65\n",
        "pre-processing  1. channels in reverse order: RGB becomes BGR (ReverseImageChannels)\n",
        "2. scaled to fit into 636 × 700, proportions kept (DetectionLongestMaxSizeRescale)\n",
        "3. padded on all sides to 640 × 704 with 114 (DetectionCenterPadding)\n",
        "4. divided by 255.0 (StandardizeImage)\n",
        "5. minus the mean [0.5, 0.25, 0.125], divided by [1, 2, 4], a number for each channel (NormalizeImage)\n",
        "6. Sharpen(by=3)\n",
        "taken as        cannot be taken: the checkpoint's pre-processing: Sharpen is not known; known are ",
    ):
        assert part in said, said
    assert "trained at" not in said


def test_what_is_made_of_the_steps(tmp_path, state):
    steps = [each for each in PROCESSOR["ComposeProcessing"]["processings"] if "Sharpen" not in each]
    parameters = {"image_processor": {"ComposeProcessing": {"processings": steps}}}
    said = lines(tmp_path / "a.pth", {"net": state, "processing_params": parameters})
    assert (
        "taken as        BGR (x - [127.5, 63.75, 31.875]) / [255, 510, 1020], proportions kept, padding center" in said
    )
    assert "trained at      640 × 704 pixels, height × width\n" in said


def test_the_command_that_it_names_loads_the_file(tmp_path, state):
    said = lines(tmp_path / "my net.pth", {"net": state})
    (command,) = (line.removeprefix("  build           exporter ") for line in said.splitlines() if "build" in line)
    overrides = [quote_path(override) for override in shlex.split(command)]
    assert check(compose(overrides)).model.load().name == "yolo_nas_s"


def test_weights_without_anything_beside(tmp_path, state):
    said = lines(tmp_path / "a.pth", state)
    assert "3: no names in the file" in said and "the file's only ones; no EMA found" in said
    assert "thresholds      none in the file" in said and "pre-processing  none in the file" in said
    assert "trained at" not in said
    save_file(state, tmp_path / "a.safetensors", {"class_names": '["cat", "dog", "cow"]'})
    said = "\n".join(describe(tmp_path / "a.safetensors"))
    assert "safetensors, 921 entries" in said and "3: cat, dog, cow" in said


def test_what_does_not_fit(tmp_path, state):
    some = {name: tensor for name, tensor in state.items() if not name.startswith("neck.")}
    said = lines(tmp_path / "a.pth", {"net": some, "class_names": ["cat"]})
    assert "does not fit: a.pth: the weights do not fit the network: " in said
    assert "3: the file names 1 of them, so set model.class_names (cat)" in said
    said = lines(tmp_path / "b.pth", {"model": {"head.obj_preds.0.weight": torch.ones(2)}})
    assert "none that is known here" in said and "looks like a network of YOLOX" in said and "build" not in said


def test_names_reach_no_terminal_as_commands(tmp_path, state, capsys):
    torch.save({"net": state, "class_names": ["\x1b[2Jcat", "dog\n", "cow"]}, tmp_path / "a.pth")
    assert main(["inspect", str(tmp_path / "a.pth")]) == 0
    said = capsys.readouterr().out
    assert "3: [2Jcat, dog, cow" in said and "\x1b" not in said


def test_bad_files_are_one_line(tmp_path, capsys):
    (tmp_path / "a.onnx").write_bytes(b"x")
    (tmp_path / "text.pth").write_text("<!DOCTYPE html><html>404</html>")
    for name, reason in {
        "a.onnx": "not an ONNX file",
        "text.pth": "a text file",
        "missing.pth": "No such file",
    }.items():
        assert main(["inspect", str(tmp_path / name)]) == 2
        out, err = capsys.readouterr()
        assert out == "" and reason in err and err.count("\n") == 1, err


def test_a_step_without_its_parameters():
    assert in_words(Step("StandardizeImage", {})) == "StandardizeImage()"
