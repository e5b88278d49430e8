"""What is said of a recipe that is not there: for those of 0.1.0 that a few words replace, the words."""

from collections.abc import Sequence
from pathlib import Path

import yaml

from exporter.common.messages import one_of

TABLE = Path(__file__).with_name("former_recipes.yaml")


def no_such_recipe(name: str, known: Sequence[str]) -> str:
    """A clause without the name. known: the names of all recipes that there are."""
    instead = yaml.safe_load(TABLE.read_text(encoding="utf-8")).get(name)
    return f"a recipe of 0.1.0; write instead: {instead}" if instead else one_of("no such recipe", name, known)
