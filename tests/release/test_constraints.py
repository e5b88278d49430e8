"""What CI installs is pinned: every dependency within the range that users have, and all that they bring."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LINES = [
    line
    for line in (ROOT / ".ci" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]
PINS = {canonicalize_name(name): version for name, version in (line.split("==") for line in LINES)}
EXTRAS = PROJECT["project"]["optional-dependencies"]
ASKED = [*PROJECT["build-system"]["requires"], *PROJECT["project"]["dependencies"], *EXTRAS["dev"], *EXTRAS["sign"]]


@pytest.mark.parametrize("asked", sorted(set(ASKED)))
def test_every_dependency_is_pinned_within_its_range(asked):
    requirement = Requirement(asked)
    pinned = PINS.get(canonicalize_name(requirement.name))
    assert pinned, f"{requirement.name} is not in .ci/constraints.txt: run .ci/pin"
    assert requirement.specifier.contains(pinned), f"{asked}, and .ci/constraints.txt has {pinned}: run .ci/pin"


@pytest.mark.parametrize("asked", sorted({*ASKED, *(each for extra in EXTRAS.values() for each in extra)}))
def test_a_lower_bound_can_be_read_as_a_version(asked):
    """.ci/lowest installs it."""
    assert re.match(r"[\w.-]+>=[\w.]+(,<[\w.]+)?$", asked), f"{asked}: write NAME>=VERSION"


def test_what_the_dependencies_bring_is_pinned_too():
    seen, waiting = set(), [Requirement(asked) for asked in ASKED]
    while waiting:
        name = canonicalize_name(waiting.pop().name)
        if name in seen or name.startswith(("nvidia-", "triton", "cuda-")):  # a torch for GPUs, which CI has not
            continue
        seen.add(name)
        brought = map(Requirement, metadata.requires(name) or [])
        waiting += [each for each in brought if each.marker is None or each.marker.evaluate({"extra": ""})]
    assert len(seen) > 40
    assert not seen - PINS.keys(), "not in .ci/constraints.txt: run .ci/pin"


def test_pins_are_exact_and_hold_elsewhere():
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in LINES)  # 2.13.0+cpu would be this machine's alone
    assert len(PINS) == len(LINES)
