"""The manifest's section on the network and its weights."""

from typing import Self

from pydantic import model_validator

from exporter.common.section import Section


class Weights(Section):
    """Where the weights came from: the file by basename and digest, `source` in words, the licence if known."""

    file: str | None
    sha256: str | None
    source: str
    licence: str | None


class Model(Section):
    """The network. `parameters` counts the numbers of the unfused network."""

    name: str
    weights: Weights
    num_classes: int
    class_names: list[str]
    parameters: int

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if len(self.class_names) != self.num_classes:
            raise ValueError(f"num_classes is {self.num_classes}, and class_names has {len(self.class_names)}")
        return self
