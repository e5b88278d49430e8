"""An output format."""

import numpy as np
import onnx_ir as ir

from exporter.graph.append import append
from exporter.postprocessing.detections import Detections
from exporter.postprocessing.format import FormatNode, Promise


class Table(FormatNode):
    def promised(self, batch, limit, integers):
        return [Promise("table", "float32", (batch, limit, 6))]

    def attach(self, kept):
        return append(kept, "format", self._tail)

    def _tail(self, op, kept):
        batch, limit = kept["kept_scores"].shape
        used = op.Unsqueeze(op.Less(list(range(limit)), kept["num_kept"]), [2])
        columns = [op.Unsqueeze(kept["kept_scores"], [2])]
        columns.append(op.Cast(op.Unsqueeze(kept["kept_classes"], [2]), to=ir.DataType.FLOAT))
        return {"table": (op.Where(used, op.Concat(kept["kept_boxes"], *columns, axis=2), -1.0), [batch, limit, 6])}

    def read(self, outputs, batch):
        rows = [each[each[:, 4] >= 0] for each in outputs["table"]]
        return [Detections(r[:, :4], r[:, 4], r[:, 5].astype(np.int64)) for r in rows]
