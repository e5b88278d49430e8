"""Rows of six for DeepStream-Yolo's parser, `NvDsInferParseYolo`: all boxes, or detections.

Source: DeepStream-Yolo's nvdsparsebbox_Yolo.cpp. It reads output 0 alone, as float32 rows x1, y1, x2, y2, score, class.
A row that scores less than the threshold of its class is skipped, but the threshold is looked up by the class first: a
class of -1 reads out of bounds, so rows that are not used are zeros here.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from exporter.postprocessing.format import FormatNode, Promise

if TYPE_CHECKING:
    import numpy as np
    import onnx

    from exporter.graph.append import Op, Outputs, Tensor
    from exporter.postprocessing.detections import AllBoxes, Detections
    from exporter.preprocessing import PreprocessingNode
    from exporter.preprocessing.input import Input

OUTPUT = "output"
MAX_CLASS = 2**15
"""Beyond, a number is no class of any detector, and a table of all classes would fill the memory."""


class DeepStreamFormat(FormatNode):
    """Has no settings. Behind an NMS it gives its detections (cluster-mode=4), without one all boxes (cluster-mode=2:
    DeepStream suppresses them)."""

    takes_all_boxes: ClassVar[bool] = True
    best_class_only: ClassVar[bool] = True
    own_nms: ClassVar[str | None] = "NoNms"
    meanings: ClassVar[Mapping[str, str]] = {
        OUTPUT: "rows: x1, y1, x2, y2 in pixels of the input, score in 0..1, class index; unused rows are 0"
    }

    def problems(self, input: "Input", preprocessing: "PreprocessingNode") -> Iterator[str]:
        """Boxes in other pixels than the network's."""
        if preprocessing.takes_raw_images:
            yield (
                f"preprocessing={preprocessing.name}: postprocessing/format=deepstream is read in pixels of the"
                " network's input, to which DeepStream itself resizes frames: choose another preprocessing"
            )

    def promised(self, batch: int | str, limit: int | None, integers: str) -> list[Promise]:
        """See `attach`."""
        return [Promise(OUTPUT, "float32", (batch, limit, 6))]

    def attach(self, kept: "onnx.ModelProto") -> "onnx.ModelProto":
        """`kept` with its final output: output [B, N, 6] float32: x1, y1, x2, y2 in input pixels, score, class. Of all
        boxes each with its best class, the lower of two that tie; of detections best first, unused rows 0."""
        from exporter.graph.append import append
        from exporter.graph.renamed import without

        return append(without(kept, [OUTPUT]), "format", _tail)

    def read(self, outputs: "Mapping[str, np.ndarray]", batch: int) -> "list[Detections]":
        """See the base."""
        from exporter.postprocessing.detections import Detections

        found = []
        for table in outputs[OUTPUT][:batch]:
            used = int((table[:, 4] > 0).sum())
            if table[used:].any():
                raise ValueError("rows that are not used are not the last ones, or not 0")
            found.append(Detections.of_rows(table[:used]))
        return found

    def read_boxes(self, outputs: "Mapping[str, np.ndarray]", batch: int) -> "list[AllBoxes]":
        """See the base: the scores of the other classes are 0."""
        import numpy as np

        from exporter.postprocessing.detections import AllBoxes

        found = []
        for table in outputs[OUTPUT][:batch]:
            classes = table[:, 5].astype(np.int64)
            if (classes != table[:, 5]).any() or classes.min() < 0 or classes.max() > MAX_CLASS:
                raise ValueError("a class is no index")
            scores = np.zeros((len(table), classes.max() + 1), np.float32)
            scores[np.arange(len(table)), classes] = table[:, 4]
            found.append(AllBoxes(table[:, :4], scores))
        return found


def _tail(op: "Op", given: dict[str, "Tensor"]) -> "Outputs":
    import onnx_ir as ir

    from exporter.postprocessing.nms.candidates import reduce_max

    if "pred_boxes" in given:
        boxes, scores = given["pred_boxes"], given["pred_scores"]
        batch, n, _ = boxes.shape
        best = reduce_max(op, scores, axis=2, keepdims=1)  # [B, N, 1]
        classes = op.Cast(op.ArgMax(scores, axis=2, keepdims=1), to=ir.DataType.FLOAT)
        return {OUTPUT: (op.Concat(boxes, best, classes, axis=2), [batch, n, 6])}
    batch, limit = given["kept_scores"].shape
    count = given["num_kept"]
    if count.dtype == ir.DataType.INT32:  # TensorRT's plugin
        count = op.Cast(count, to=ir.DataType.INT64)
    used = op.Unsqueeze(op.Less(list(range(limit)), count), [2])  # [B, max, 1]
    scores = op.Unsqueeze(given["kept_scores"], [2])
    classes = op.Cast(op.Unsqueeze(given["kept_classes"], [2]), to=ir.DataType.FLOAT)
    rows = op.Concat(given["kept_boxes"], scores, classes, axis=2)  # [B, max, 6]
    return {OUTPUT: (op.Where(used, rows, 0.0), [batch, limit, 6])}
