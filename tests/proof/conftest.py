"""One network that is traced once."""

import pytest

from exporter.config.check import check
from exporter.config.compose import compose
from tests.making import traced

OVERRIDES = ["+recipe=yolo_nas_s", "input.size=96", "proof.num_scenes=0", "proof.num_images=2"]


@pytest.fixture(scope="session")
def parts():
    """The recipe, the loaded network, which was trained on RGB in 0..1, and its core graph; nobody changes them."""
    recipe = check(compose(OVERRIDES))
    loaded = recipe.model.load()
    return recipe, loaded, traced(recipe)
