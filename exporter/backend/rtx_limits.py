"""What TensorRT for RTX has no implementation of, whoever hands it the graph: its parser takes it, its compiler does
not (NonMaxSuppression tried with 1.7.1 in tests/backend/test_tensorrt_rtx.py)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exporter.backend.request import Request


def not_in_rtx(request: "Request") -> Iterator[str]:
    """A clause for each such operator that the recipe would put into the graph."""
    if request.nms.operator is not None:
        yield (
            f"postprocessing/nms={request.nms.name}: TensorRT-RTX has no implementation of {request.nms.operator}:"
            " take postprocessing/nms=cluster, which gives the same detections, or none"
        )
    if request.nms.detects and request.format.operator is not None:
        yield (
            f"postprocessing/format={request.format.name}: TensorRT-RTX has no implementation of"
            f" {request.format.operator}: take postprocessing/format=batch"
        )
