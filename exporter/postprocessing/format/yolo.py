"""All boxes in the layout that readers of Ultralytics' exports know: one tensor, a column a box.

Sources: Ultralytics' exporter (what it writes into `metadata_props`) and its AutoBackend (what is read of it); OpenCV's
and Frigate's readers of the same layout.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from exporter.postprocessing.format import FormatNode, Promise

if TYPE_CHECKING:
    import numpy as np
    import onnx

    from exporter.graph.append import Op, Outputs, Tensor
    from exporter.postprocessing.detections import AllBoxes

OUTPUT = "output0"


class YoloFormat(FormatNode):
    """Has no settings."""

    takes_detections: ClassVar[bool] = False
    takes_all_boxes: ClassVar[bool] = True
    own_nms: ClassVar[str | None] = "NoNms"
    meanings: ClassVar[Mapping[str, str]] = {
        OUTPUT: "a column a box: centre x, centre y, width, height in pixels of the input, then a score of each class"
        " in 0..1; no NMS"
    }

    def properties(self, class_names: Sequence[str], height: int, width: int) -> dict[str, str]:
        """As Ultralytics writes them: Python literals in text."""
        from exporter.common.geometry import STRIDE

        names = dict(enumerate(class_names))
        return {"names": str(names), "stride": str(STRIDE), "imgsz": str([height, width]), "task": "detect"}

    def promised(self, batch: int | str, limit: int | None, integers: str) -> list[Promise]:
        """See `attach`."""
        return [Promise(OUTPUT, "float32", (batch, None, None))]

    def attach(self, kept: "onnx.ModelProto") -> "onnx.ModelProto":
        """`kept` (all boxes) with its final output: output0 [B, 4 + C, N] float32: cx, cy, w, h in input pixels, then
        the C scores."""
        from exporter.graph.append import append
        from exporter.graph.renamed import without

        return append(without(kept, [OUTPUT]), "format", _tail)

    def read_boxes(self, outputs: "Mapping[str, np.ndarray]", batch: int) -> "list[AllBoxes]":
        """See the base."""
        import numpy as np

        from exporter.postprocessing.detections import AllBoxes

        found = []
        for i in range(batch):
            centre, size, scores = np.split(outputs[OUTPUT][i].T, [2, 4], axis=1)
            found.append(AllBoxes(np.concatenate([centre - size / 2, centre + size / 2], axis=1), scores))
        return found


def _tail(op: "Op", given: dict[str, "Tensor"]) -> "Outputs":
    batch, n, classes = given["pred_scores"].shape
    left_top, right_bottom = op.Split(given["pred_boxes"], [2, 2], axis=2, _outputs=2)  # [B, N, 2]
    centre = op.Mul(op.Add(left_top, right_bottom), 0.5)
    rows = op.Concat(centre, op.Sub(right_bottom, left_top), given["pred_scores"], axis=2)  # [B, N, 4 + C]
    return {OUTPUT: (op.Transpose(rows, perm=[0, 2, 1]), [batch, 4 + classes, n])}
