"""All boxes and all scores as two static tensors, for compilers of NPUs that keep NMS on the host.

RKNN's consumers, for one, read boxes [1, N, 4] and scores [1, N, C] by position.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from exporter.postprocessing.format import FormatNode, Promise

if TYPE_CHECKING:
    import numpy as np
    import onnx

    from exporter.graph.append import Op, Outputs, Tensor
    from exporter.postprocessing.detections import AllBoxes
    from exporter.preprocessing import PreprocessingNode
    from exporter.preprocessing.input import Input

OUTPUTS = ("boxes", "scores")


class SplitFormat(FormatNode):
    """Has no settings."""

    takes_detections: ClassVar[bool] = False
    takes_all_boxes: ClassVar[bool] = True
    own_nms: ClassVar[str | None] = "NoNms"
    meanings: ClassVar[Mapping[str, str]] = {
        "boxes": "all boxes x1, y1, x2, y2 in pixels of the input; no NMS",
        "scores": "of each box a score of each class in 0..1; no NMS",
    }

    def problems(self, input: "Input", preprocessing: "PreprocessingNode") -> Iterator[str]:
        """Shapes that a compiler would have to be told."""
        if input.fixed_batch != 1 or input.dynamic_sides:
            yield (
                "postprocessing/format=split: is for compilers that take one image of a fixed size: give input.size in"
                " pixels and leave input.batch 1"
            )

    def promised(self, batch: int | str, limit: int | None, integers: str) -> list[Promise]:
        """See `attach`."""
        return [Promise("boxes", "float32", (batch, None, 4)), Promise("scores", "float32", (batch, None, None))]

    def attach(self, kept: "onnx.ModelProto") -> "onnx.ModelProto":
        """`kept` (all boxes) with its final outputs: boxes [1, N, 4] float32 xyxy in input pixels, scores [1, N, C]
        float32 in 0..1."""
        from exporter.graph.append import append
        from exporter.graph.renamed import without

        return append(without(kept, OUTPUTS), "format", _tail)

    def read_boxes(self, outputs: "Mapping[str, np.ndarray]", batch: int) -> "list[AllBoxes]":
        """See the base."""
        from exporter.postprocessing.detections import AllBoxes

        return [AllBoxes(outputs["boxes"][i], outputs["scores"][i]) for i in range(batch)]


def _tail(op: "Op", given: dict[str, "Tensor"]) -> "Outputs":
    boxes, scores = given["pred_boxes"], given["pred_scores"]
    return {"boxes": (boxes, boxes.shape), "scores": (scores, scores.shape)}
