"""What `model=custom` says of a network that is in memory, besides the function that would give it."""

from pydantic import Field

from exporter.common.errors import RequestError
from exporter.model import ModelNode
from exporter.model.loaded import LoadedModel


class Unnamed(ModelNode):
    """Stands in a recipe for a network that the caller of `exporter.build(model=…)` has."""

    confidence_threshold: float = Field(ge=0, le=1)
    nms_threshold: float = Field(ge=0, le=1)
    digest: str | None = None

    @property
    def weights_given(self) -> str:
        """In a word."""
        return "in memory"

    @property
    def thresholds(self) -> tuple[float, float]:
        """As of `model=custom`."""
        return self.confidence_threshold, self.nms_threshold

    def load(self) -> LoadedModel:
        """Raises RequestError: there is nothing to load."""
        raise RequestError("model: the network was in memory: give it again, exporter.build(model=…)")
