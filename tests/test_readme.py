"""Every command in every README is run, block by block, builds on small inputs; Python too; links and files are there."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

import exporter
from exporter.artifact.signature.sign import sign
from exporter.cli import main
from exporter.demo.scenes import CLASS_NAMES, scene
from exporter.model.architectures import ARCHITECTURES
from exporter.model.weights import random_state
from exporter.report.drawing import write_png
from tests.signature.keys import write_key
from tests.tables import reference

ROOT = Path(__file__).parents[1]
FOLDERS = [each for each in ROOT.iterdir() if each.is_dir() and each.name not in ("outputs", "dist", "build")]
PAGES = sorted(path for each in FOLDERS if not each.name.startswith(".") for path in each.rglob("README.md"))
READMES = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *PAGES]}
SET_UP = READMES["README.md"].split("## Set up")[1].split("\n## ")[0]
BLOCKS = [
    pytest.param(block.strip().splitlines(), id=f"{name}-{number}")
    for name, text in READMES.items()
    for number, block in enumerate(re.findall(r"```bash\n(.*?)```", text.replace(SET_UP, ""), re.DOTALL))
]
PROGRAMS = [
    pytest.param(program, id=name)
    for name, text in READMES.items()
    for program in re.findall(r"```python\n(.*?)```", text, re.DOTALL)
]
SMALL = {"input.size": "64", "proof.num_scenes": "0", "proof.num_images": "2", "calibration.num_images": "4"}
PROCESSING = {"ComposeProcessing": {"processings": [
    {"DetectionLongestMaxSizeRescale": {"output_shape": (64, 64)}},
    {"DetectionCenterPadding": {"output_shape": (64, 64), "pad_value": 114}},
    {"StandardizeImage": {"max_value": 255.0}}, {"ImagePermute": {"permutation": (2, 0, 1)}},
]}}  # fmt: skip
# Weights at random are no measure of what INT8 costs, nor is what the demo's are worth at 64 pixels.
LOOSE = {"proof.mean_score_error": "1", "proof.mean_box_error": "1000"}
# With the sdist's tests on a wheel (.ci/release) no code lies beside the READMEs.
checkout = pytest.mark.skipif(not (ROOT / "exporter").is_dir(), reason="needs a checkout")


@pytest.fixture
def workplace(tmp_path, monkeypatch, int8_artifact, one_store):
    """A working directory in which everything lies that the READMEs' commands name; one store, as a user has."""
    monkeypatch.chdir(tmp_path)
    network = ARCHITECTURES["yolo_nas_s"].create(3)
    torch.save({"net": random_state(network, 0), "processing_params": {"image_processor": PROCESSING}}, "mine.pth")
    for folder in ("images", "set/images", "set/labels", "exporter/demo", "recipes"):
        (tmp_path / folder).mkdir(parents=True)
    for i in range(3):
        write_png(tmp_path / "images" / f"{i}.png", scene("calibration", i, 120, 90).image)
        labelled = scene("evaluation", i, 64, 64)
        write_png(tmp_path / "set" / "images" / f"{i}.png", labelled.image)
        lines = [
            f"{int(number)} {(x1 + x2) / 128} {(y1 + y2) / 128} {(x2 - x1) / 64} {(y2 - y1) / 64}\n"
            for (x1, y1, x2, y2), number in zip(labelled.boxes, labelled.classes, strict=True)
        ]
        (tmp_path / "set" / "labels" / f"{i}.txt").write_text("".join(lines))
    (tmp_path / "data.yaml").write_text(f"path: set\ntrain: images\nval: images\nnames: {list(CLASS_NAMES)}\n")
    for name in ("yolo_nas_s", "yolo_nas_s_int8"):
        shutil.copytree(int8_artifact, tmp_path / "outputs" / name)
    write_key(tmp_path, "builder")
    sign(Path("outputs/yolo_nas_s_int8"), Path("builder.key"), None)
    for place in ("image.jpg", "exporter/demo/preview.jpg"):
        write_png(tmp_path / place, scene("evaluation", 0, 320, 640).image)
    (recipe,) = re.findall(r"```yaml\n(# @package _global_.*?)```", READMES["conf/README.md"], re.DOTALL)
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
    kept = ["evaluation.max_drop=100" if word.startswith("evaluation.max_drop=") else word for word in kept]
    settings = SMALL | (LOOSE if any("mine.pth" in word for word in words) else {})
    if sweeping:
        # Two recipes are a sweep already.
        settings["input.size"] = "64" if any(word.startswith("+recipe=") and "," in word for word in words) else "64,96"
    if "input.size=auto" in words:
        settings.pop("input.size")
    if not any("int8" in word or "camera" in word for word in words) or sweeping:
        settings.pop("calibration.num_images")
    return kept + [f"{key}={value}" for key, value in settings.items()]


@pytest.mark.parametrize("commands", BLOCKS)
def test_every_command_runs(commands, workplace):
    """Those of one block one after the other, as somebody would who copies it."""
    for command in commands:
        if command.startswith("python -m exporter "):
            assert main(small(shlex.split(command)[3:])) == 0, command
        elif command.startswith(("cd ", "openssl ")):
            if shutil.which("openssl") is None:
                pytest.skip("openssl is not installed here")
            subprocess.run(["bash", "-c", command], check=True, capture_output=True)
        else:
            pytest.fail(f"nothing here runs this: {command}")


def test_the_recipe_shown_builds(workplace):
    assert main(small(["+recipe=my_camera"])) == 0


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_python_shown_runs(program, workplace):
    words = [f"{key}={value}" for key, value in SMALL.items()]
    exporter.build("yolo_nas_s_letterbox", [*words, "output_dir=outputs/mine", "progress.format=none"])
    exec(program.replace("input.size=320", "input.size=64"), {})


def test_set_up_is_two_commands():
    """`.ci/run` takes the first two fenced blocks."""
    assert len(re.findall(r"```bash\n[^\n]+\n```", SET_UP)) == 2
    assert SET_UP.count("```") == 4


def test_the_first_page_is_short():
    assert len(READMES["README.md"].encode()) <= 10_000


def test_the_recipe_reference_is_what_the_configuration_says():
    if READMES["conf/README.md"] != reference.page():
        pytest.fail("conf/ has changed: python -m tests.tables.reference > conf/README.md")


@checkout
def test_links_lead_somewhere():
    for name, text in READMES.items():
        for link in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
            place, _, anchor = link.partition("#")
            target = (ROOT / name).parent / place if place else ROOT / name
            assert target.exists(), f"{name}: {link}"
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE) if anchor else []
            slugs = [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]
            assert not anchor or anchor in slugs, f"{name}: {link}"


@checkout
def test_files_that_a_readme_names_are_there():
    """In its own room, or in one that the same line links to."""
    for name, text in READMES.items():
        if not name.startswith("exporter/"):
            continue
        room = (ROOT / name).parent
        for line in text.splitlines():
            rooms = [room, *((room / link).resolve().parent for link in re.findall(r"\]\((\.\./[^)#]+)", line))]
            for file in re.findall(r"`((?:\w+/)*\w+\.py)`", line):
                there = any((each / file).exists() for each in rooms) or file == "section.py"
                assert there, f"{name} names {file}, which is not in that room"


@checkout
def test_a_room_of_many_files_has_a_readme():
    rooms = [path.parent for path in (ROOT / "exporter").glob("*/__init__.py")]
    many = [room for room in rooms if len(list(room.glob("*.py"))) > 10]
    assert many
    assert not [room.name for room in many if not (room / "README.md").exists()]


def test_verbs_that_a_readme_names_exist(capsys):
    main(["--help"])
    verbs = set(re.findall(r"^  exporter ([a-z]+)", capsys.readouterr().out, re.MULTILINE))
    for name, text in READMES.items():
        named = set(re.findall(r"`(?:python -m )?exporter ([a-z]+)[ `]", text))
        assert named <= verbs, name


def test_every_argument_of_the_original_has_a_row():
    arguments = """confidence_threshold nms_threshold engine quantization_mode selective_quantizer calibration_loader
    calibration_method calibration_batches calibration_percentile preprocessing postprocessing postprocessing_kwargs
    batch_size input_image_shape input_image_channels input_image_dtype max_predictions_per_image onnx_export_kwargs
    onnx_simplify device output_predictions_format num_pre_nms_predictions"""
    table = "".join(READMES.values())
    assert all(f"| `{argument}` |" in table for argument in arguments.split())
