"""The READMEs themselves: the first page is short, the reference is the configuration, links and files are there."""

import re

import pytest

from exporter.cli import main
from tests.readme import READMES, ROOT, SET_UP, checkout
from tests.tables import reference


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


@checkout
def test_every_argument_of_the_original_has_a_row():
    arguments = """confidence_threshold nms_threshold engine quantization_mode selective_quantizer calibration_loader
    calibration_method calibration_batches calibration_percentile preprocessing postprocessing postprocessing_kwargs
    batch_size input_image_shape input_image_channels input_image_dtype max_predictions_per_image onnx_export_kwargs
    onnx_simplify device output_predictions_format num_pre_nms_predictions"""
    table = "".join(READMES.values())
    assert all(f"| `{argument}` |" in table for argument in arguments.split())
