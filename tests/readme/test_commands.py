"""Every other block of commands in the READMEs is run, and the recipe and the Python that they show."""

import pytest

import exporter
from exporter.cli import main
from tests.readme import BLOCKS, PROGRAMS, SMALL, run, small


@pytest.mark.parametrize("commands", BLOCKS[::2])
def test_every_command_runs(commands, workplace):
    run(commands)


@pytest.mark.slow
def test_the_recipe_shown_builds(workplace):
    assert main(small(["+recipe=my_camera"])) == 0


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_python_shown_runs(program, workplace):
    if "outputs/mine" in program:
        overrides = [f"{key}={value}" for key, value in SMALL.items()]
        exporter.build("yolo_nas_s_letterbox", [*overrides, "output_dir=outputs/mine", "progress.format=none"])
    exec(program.replace("input.size=320", "input.size=64"), {})
