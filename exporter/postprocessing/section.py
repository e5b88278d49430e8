"""The manifest's section on NMS and output format."""

from collections.abc import Mapping
from typing import Any

from pydantic import SerializerFunctionWrapHandler, model_serializer

from exporter.common.section import Section
from exporter.postprocessing.detections import Read
from exporter.postprocessing.format.finished import format_of
from exporter.postprocessing.outside import suppressed
from exporter.postprocessing.parameters import NmsParameters


class Postprocessing(Section):
    """Every parameter of the NMS, as it stands in the graph, and the output format (null without either). `outside`:
    the NMS that is left to those who read a format of all boxes; `clip`: whether boxes are clipped to the input inside.
    Both are written only where they say something."""

    nms: dict[str, Any]
    format: str | None
    outside: NmsParameters | None = None
    clip: bool = False

    @property
    def read(self) -> Read | None:
        """Reads detections from the outputs by name, after the NMS outside where that is left to the reader; None where
        the outputs are in no format of the exporter's own."""
        node = format_of(self.format)
        if node is None:
            return None
        return suppressed(node.read_boxes, self.outside) if self.outside else node.read

    @property
    def readable(self) -> bool:
        """Whether the outputs are detections in one of the exporter's own formats."""
        return self.read is not None

    @property
    def meanings(self) -> Mapping[str, str]:
        """What the format says of its own outputs, by name."""
        node = format_of(self.format)
        return node.meanings if node else {}

    @model_serializer(mode="wrap")
    def _what_is_said(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        usual = {"outside": None, "clip": False}
        return {key: value for key, value in dump(self).items() if key not in usual or value != usual[key]}
