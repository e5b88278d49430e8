"""The manifest's section on the network and its weights."""

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from exporter.common.section import Section

WeightsKind = Literal["file", "onnx", "demo", "published", "url", "random", "custom", "memory"]
"""A checkpoint, an ONNX graph, those that ship, the published COCO weights, others from an address of the user's, none
at all, what user code makes, a network in the caller's memory."""


class Weights(Section):
    """Where the weights came from: the file by basename and digest, `source` in words, `kind` as programs ask for it
    (manifests of version 0.1.0 have only the words), the licence if known."""

    file: str | None
    sha256: str | None
    source: str
    kind: WeightsKind = Field(default_factory=lambda said: _kind_in(said["source"], said["file"]))
    licence: str | None


NamesFrom = Literal["recipe", "weights", "numbered"]
"""Who names the classes: the recipe, the weights' file or network itself, or nobody (class_0, class_1, …)."""


class Model(Section):
    """The network. `parameters` counts the numbers of the unfused network; manifests of version 0.1.0 do not say where
    the class names came from."""

    name: str
    weights: Weights
    num_classes: int
    class_names: list[str]
    class_names_from: NamesFrom | None = None
    parameters: int

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if len(self.class_names) != self.num_classes:
            raise ValueError(f"num_classes is {self.num_classes}, and class_names has {len(self.class_names)}")
        return self


def names_from(names: Sequence[str], told: bool) -> NamesFrom:
    """told: whether the recipe names them."""
    if told:
        return "recipe"
    return "numbered" if list(names) == [f"class_{i}" for i in range(len(names))] else "weights"


def _kind_in(source: str, file: str | None) -> WeightsKind:
    """What the words of version 0.1.0 say: the only place that reads them. What begins otherwise begins with an
    address."""
    if source.startswith("file") and (file or "").endswith(".onnx"):
        return "onnx"
    return _FIRST_WORDS.get(source.partition(" ")[0].rstrip(","), "url")


_FIRST_WORDS: dict[str, WeightsKind] = {
    "file": "file", "demo": "demo", "published": "published", "random": "random", "made": "custom", "in": "memory",
}  # fmt: skip
