"""What the network was trained with: as its checkpoint says, else the model's own."""

from typing import Literal

from pydantic import Field

from exporter.common.errors import RequestError
from exporter.common.node import Node
from exporter.preprocessing import PreprocessingNode, Training
from exporter.preprocessing.declared import Declared, changed

GEOMETRY = ("resize", "padding", "pad_value", "margin")


class AutoPreprocessing(PreprocessingNode):
    """The fields are for a consumer that resizes otherwise than the training did; None: as it did. Where they are set,
    only the geometry is another: the normalisation stays what the network needs."""

    resize: Literal["letterbox", "longest_side", "stretch"] | None = None
    padding: Literal["center", "bottom_right"] | None = None
    pad_value: int | None = Field(None, ge=0, le=255)
    margin: int | None = Field(None, ge=0)

    def resolved(self, trained: Training) -> Declared:
        """The node for it. Raises RequestError where nobody knows how the network was trained."""
        node = trained.known()
        if not isinstance(node, Declared):
            raise RequestError(
                "preprocessing=auto: how this network was trained is not known: declare it (preprocessing=declared and"
                " its keys), or take preprocessing=none and do it outside"
            )
        return with_geometry(node, self)


def with_geometry(node: Declared, given: Node) -> Declared:
    """`node` with those fields of the geometry that `given` sets."""
    said = {name: value for name, value in given.model_dump(include=set(GEOMETRY)).items() if value is not None}
    return changed(node, **said) if said else node
