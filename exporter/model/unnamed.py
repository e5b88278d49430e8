"""What `model=custom` says of a network that is in memory, besides the function that would give it."""

from exporter.common.errors import RequestError
from exporter.model.declared_head import DeclaredHead
from exporter.model.loaded import LoadedModel


class Unnamed(DeclaredHead):
    """Stands in a recipe for a network that the caller of `exporter.build(model=…)` has."""

    digest: str | None = None

    @property
    def weights_given(self) -> str:
        """In a word."""
        return "in memory"

    def load(self) -> LoadedModel:
        """Raises RequestError: there is nothing to load."""
        raise RequestError("model: the network was in memory: give it again, exporter.build(model=…)")
