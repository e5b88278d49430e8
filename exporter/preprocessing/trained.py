"""What a network was trained with, as far as anybody says: its checkpoint, or else the exporter for the model."""

from typing import Literal

from exporter.common.errors import RequestError
from exporter.common.section import Section
from exporter.preprocessing.declared import Declared, changed

Source = Literal["checkpoint", "network", "model"]
"""Who says it: the checkpoint's file, the torch network in memory, or the exporter, which takes the model's usual."""
SizeFrom = Literal["input", "metadata"]
"""Of an ONNX file: the fixed sides of its input, or its metadata."""


class Trained(Section):
    """`preprocessing`: None where nobody knows; `problem` says why where something is declared and cannot be taken.
    `size`: height and width of the images it was trained on or is made for, pixels, where that is declared;
    `size_from`: which part of an ONNX file says it. Thresholds: those declared."""

    source: Source | None = None
    preprocessing: Declared | None = None
    problem: str | None = None
    size: tuple[int, int] | None = None
    size_from: SizeFrom | None = None
    confidence_threshold: float | None = None
    nms_threshold: float | None = None

    @property
    def declared(self) -> bool:
        """Whether whoever trained it says so."""
        return self.source in ("checkpoint", "network")

    def known(self) -> Declared | None:
        """`preprocessing`. Raises RequestError for the `problem`, if there is one."""
        if self.problem:
            raise RequestError(self.problem)
        return self.preprocessing

    def thresholds(self, confidence: float, overlap: float) -> tuple[float, float]:
        """Confidence and IoU of the NMS: those declared, else these, the model's."""
        own, own_overlap = self.confidence_threshold, self.nms_threshold
        return confidence if own is None else own, overlap if own_overlap is None else own_overlap

    def at(self, height: int, width: int) -> "Trained":
        """The same for an input of that size: a margin keeps its proportion to the shorter side."""
        node, size = self.preprocessing, self.size
        if node is None or size is None or not node.margin:
            return self
        margin = round(node.margin * min(height, width) / min(size))
        return self.model_copy(update={"preprocessing": changed(node, margin=margin)})

    def check_agreement(self, node: Declared, given: str) -> None:
        """Raises RequestError, which shows both, where `node` feeds the network something else than is declared, or
        where that cannot be told. given: what chose the node."""
        own = self.known()
        if not self.declared or own is None or (own.normalization == node.normalization and _alike(own, node)):
            return
        raise RequestError(
            f"{given}: {node}; but the {self.source} says that it was trained on {own}: take preprocessing=auto, or, if"
            " you know better, add preprocessing.override=true"
        )


def _alike(a: Declared, b: Declared) -> bool:
    """Whether both bring images to the input in one way; a margin belongs to a size, and is not looked at."""
    first, second = (changed(each, margin=0).geometry(64, 64) for each in (a, b))
    return first == second
