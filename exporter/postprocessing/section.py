"""The manifest's section on NMS and output format."""

from typing import Any

from exporter.common.section import Section


class Postprocessing(Section):
    """Every parameter of the NMS, as it stands in the graph, and the output format (null without NMS)."""

    nms: dict[str, Any]
    format: str | None

    @property
    def readable(self) -> bool:
        """Whether the outputs are detections in one of the exporter's own formats."""
        return self.format in ("batch", "flat")
