"""An NMS, without its suppression."""

import onnx_ir as ir

from exporter.graph.append import append
from exporter.postprocessing.nms import NmsNode
from exporter.postprocessing.nms.candidates import from_raw
from exporter.postprocessing.parameters import NmsParameters


class Best(NmsNode):
    confidence_threshold: float
    most: int

    @property
    def parameters(self) -> NmsParameters:
        return NmsParameters(self.confidence_threshold, 1.0, 1000, None, self.most, False, True)

    def attach(self, core):
        return append(core, "nms", self._tail)

    def _tail(self, op, core):
        boxes, scores = from_raw(op, **core, limit=1000)  # [B, N, 4], [B, C, N]
        batch, classes, _ = scores.shape
        # By box and then by class, so that ties are in the contract's order.
        pairs = op.Reshape(op.Transpose(scores, perm=[0, 2, 1]), [0, -1])
        best, place = op.TopK(pairs, [self.most], axis=1, _outputs=2)
        box, kind = op.Div(place, classes), op.Mod(place, classes)
        kept = op.GatherND(boxes, op.Unsqueeze(box, [2]), batch_dims=1)
        enough = op.Cast(op.Greater(best, self.confidence_threshold), to=ir.DataType.INT64)
        return {
            "kept_boxes": (kept, [batch, self.most, 4]),
            "kept_scores": (best, [batch, self.most]),
            "kept_classes": (kind, [batch, self.most]),
            "num_kept": (op.ReduceSum(enough, [1], keepdims=1), [batch, 1]),
        }
