"""One network that is traced once."""

import pytest

from exporter.config.check import check
from exporter.config.compose import compose
from tests.proof.bases import FLOAT, trained, trained_core


@pytest.fixture(scope="session")
def parts():
    """The recipe, the loaded network, which was trained on RGB in 0..1, and its core graph; nobody changes them."""
    return check(compose(FLOAT)), trained(), trained_core()
