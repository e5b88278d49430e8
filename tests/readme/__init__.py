"""What stands in every README: its commands, block by block, and its programs; and how one block is run."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from exporter.cli import main

ROOT = Path(__file__).parents[2]
# With the sdist's tests on a wheel (.ci/release) no code lies beside the READMEs.
checkout = pytest.mark.skipif(not (ROOT / "exporter").is_dir(), reason="needs a checkout")
FOLDERS = [each for each in ROOT.iterdir() if each.is_dir() and each.name not in ("outputs", "dist", "build")]
PAGES = sorted(path for each in FOLDERS if not each.name.startswith(".") for path in each.rglob("README.md"))
READMES = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *PAGES]}
SET_UP = READMES["README.md"].split("## Set up")[1].split("\n## ")[0]


def _marks(name: str) -> list[pytest.MarkDecorator]:
    """What the other pages than the first show takes minutes, and is run by .ci/slow."""
    return [] if name == "README.md" else [pytest.mark.slow]


BLOCKS = [
    pytest.param(block.strip().splitlines(), id=f"{name}-{number}", marks=_marks(name))
    for name, text in READMES.items()
    for number, block in enumerate(re.findall(r"```bash\n(.*?)```", text.replace(SET_UP, ""), re.DOTALL))
]
PROGRAMS = [
    pytest.param(program, id=name, marks=_marks(name))
    for name, text in READMES.items()
    for program in re.findall(r"```python\n(.*?)```", text, re.DOTALL)
]
SMALL = {"input.size": "64", "proof.num_scenes": "0", "proof.num_images": "2", "calibration.num_images": "4"}
# Weights at random are no measure of what INT8 costs, nor is what the demo's are worth at 64 pixels.
LOOSE = {"proof.mean_score_error": "1", "proof.mean_box_error": "1000"}


def small(overrides: list[str]) -> list[str]:
    """The overrides of a build, made quick: the README's own sizes give way, its other keys stay."""
    if overrides[0] in ("benchmark", "advise"):
        overrides = [*overrides, "--rounds", "2"]
    if "--num-images" in overrides:
        overrides[overrides.index("--num-images") + 1] = "2"
    if not any("=" in override for override in overrides) or "--cfg" in overrides:
        return overrides
    sweeping = "-m" in overrides
    kept = [override for override in overrides if not override.startswith("input.size=") or override.endswith("=auto")]
    kept = [
        "evaluation.num_images=4" if override.startswith("evaluation.num_images=") else override for override in kept
    ]
    kept = ["evaluation.max_drop=100" if override.startswith("evaluation.max_drop=") else override for override in kept]
    settings = SMALL | (LOOSE if any("mine.pth" in override for override in overrides) else {})
    if sweeping:
        # Two recipes are a sweep already.
        settings["input.size"] = (
            "64" if any(override.startswith("+recipe=") and "," in override for override in overrides) else "64,96"
        )
    if "input.size=auto" in overrides:
        settings.pop("input.size")
    if not any("int8" in override or "camera" in override for override in overrides) or sweeping:
        settings.pop("calibration.num_images")
    return kept + [f"{key}={value}" for key, value in settings.items()]


def run(commands: list[str]) -> None:
    """One block, a command after the other, as somebody would who copies it."""
    for command in commands:
        if command.startswith("python -m exporter "):
            assert main(small(shlex.split(command)[3:])) == 0, command
        elif command.startswith(("cd ", "openssl ")):
            if shutil.which("openssl") is None:
                pytest.skip("openssl is not installed here")
            subprocess.run(["bash", "-c", command], check=True, capture_output=True)
        else:
            pytest.fail(f"nothing here runs this: {command}")
