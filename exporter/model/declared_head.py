"""What a recipe's `model.head` says of a network that the exporter does not know."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, WithJsonSchema

from exporter.common.geometry import STRIDE
from exporter.model import ModelNode
from exporter.model.head import Head
from exporter.preprocessing.trained import Trained


class DeclaredHead(ModelNode):
    """Base of the nodes whose network's outputs a head describes. The thresholds, 0..1, are those of the recipe: nobody
    knows the usual ones of such a network."""

    confidence_threshold: float = Field(ge=0, le=1)
    nms_threshold: float = Field(ge=0, le=1)
    head: Annotated[Head, WithJsonSchema({"type": "object"})] = Head()

    @property
    def thresholds(self) -> tuple[float, float]:
        """Those two."""
        return self.confidence_threshold, self.nms_threshold

    @property
    def own_nms(self) -> str | None:
        """None where the network gives one box an object."""
        return "TopkNms" if self.head.suppressed else None

    @property
    def size_multiple(self) -> int:
        """As its head says."""
        return self.head.size_multiple

    @property
    def declared(self) -> Head:
        """The recipe's."""
        return self.head

    def usual(self) -> Trained:
        """What the head says that such networks are fed."""
        fed = self.head.fed
        return Trained() if fed is None else Trained(source="model", preprocessing=fed)

    def size_problems(self, dynamic: tuple[str, ...]) -> Iterator[str]:
        """A clause where sides are free, and the cells of a map have to be counted or sizes are not the usual ones."""
        if dynamic and STRIDE % self.size_multiple:
            yield (
                f"input.{dynamic[0]}=dynamic: takes multiples of {STRIDE} pixels, and model.head.size_multiple is"
                f" {self.size_multiple}: give both sides in pixels"
            )
        if dynamic and self.head.decoding != "none":
            yield (
                f"input.{dynamic[0]}=dynamic: model.head.decoding={self.head.decoding} counts the cells of fixed sides:"
                " give them in pixels"
            )
