"""Non-maximum suppression in plain tensor arithmetic: for engines without ONNX's own operator, and for GPUs."""

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from exporter.postprocessing.nms.onnx import OnnxNms

if TYPE_CHECKING:
    from exporter.graph.append import Op, Outputs, Tensor


class ClusterNms(OnnxNms):
    """The parameters of `OnnxNms`, and the same result, but that suppression compares all candidates at once:
    max_candidates_per_image, M, is always a number, and time and memory grow with its square.

    Exact, and why. Let the candidates stand in the contract's order and S[j, i] be whether i stands before j and drops
    it if it is kept. Greedy suppression is the one answer of keep[j] = valid[j] and no kept i with S[j, i]: one, since
    the first is kept, and each depends on those before it alone. Starting from any guess, a round that replaces keep by
    the right side makes at least one more of them right for good, so after M rounds all are, and a round that changes
    nothing has found the answer. The loop ends there, after about as many rounds as the longest chain in which each
    drops the next. (Zheng et al. 2020, "Cluster-NMS", arXiv:2005.03572, which proves the same.)
    """

    operator: ClassVar[str | None] = None

    max_candidates_per_image: int = Field(1024, ge=1, le=4096)  # pyright: ignore[reportIncompatibleVariableOverride]
    rounds: int | None = Field(None, ge=1, le=256)

    @property
    def capturable(self) -> bool:
        """See the base; a CUDA graph holds no loop."""
        return self.rounds is not None

    @property
    def may_give_up(self) -> bool:
        """See the base."""
        return self.rounds is not None

    def _tail(self, op: "Op", core: dict[str, "Tensor"]) -> "Outputs":
        from exporter.postprocessing.nms import suppression

        boxes, scores = self._candidates(op, core)
        batch, most = scores.shape[0], self.max_candidates_per_image
        best, box, classes = suppression.first(op, scores, most)  # [B, M]
        boxes = op.GatherND(boxes, op.Unsqueeze(box, [2]), batch_dims=1)  # [B, M, 4]
        drops = _drops(op, boxes, None if self.class_agnostic else classes, self.thresholds[1], most)
        start = op.Unsqueeze(op.Cast(op.Greater(best, self.thresholds[0]), to=_float()), [2])  # [B, M, 1]
        keep, settled = start, None
        if self.rounds is None:
            keep = _loop(op, drops, start, most)
        for _ in range(self.rounds or 0):
            last, keep = keep, _round(op, drops, keep, start)
            settled = last
        kept = op.Squeeze(keep, [2])
        outputs = _first_kept(op, kept, {"boxes": boxes, "scores": best, "classes": classes}, batch, most,
                              self.max_predictions_per_image)  # fmt: skip
        if settled is not None:  # as the last round left it, or nobody knows
            moved = op.Greater(op.ReduceSum(op.Abs(op.Sub(keep, settled)), [1], keepdims=0), 0.5)  # [B, 1]
            count, shape = outputs["num_kept"]
            outputs["num_kept"] = (op.Where(moved, -1, count), shape)
        return outputs


def _drops(op: "Op", boxes: "Tensor", classes: "Tensor | None", iou: float, most: int) -> "Tensor":
    """[B, M, M] float32, 1 where the candidate of the column, if it is kept, drops that of the row.

    IoU in float32 and in the order of `exporter.postprocessing.reference.iou`, so that what lies at the threshold falls
    to the same side; of boxes without area it is 0 or, 0 / 0, NaN, which is above nothing."""
    import numpy as np
    import onnx_ir as ir

    one, other = op.Split(boxes, [2, 2], axis=2, _outputs=2)  # opposite corners, whichever they are
    low, high = op.Min(one, other), op.Max(one, other)  # [B, M, 2]
    size = op.Sub(high, low)
    area = op.Mul(*op.Split(size, [1, 1], axis=2, _outputs=2))  # [B, M, 1]
    sides = []
    for low_end, high_end in zip(
        op.Split(low, [1, 1], axis=2, _outputs=2), op.Split(high, [1, 1], axis=2, _outputs=2), strict=True
    ):
        inner = op.Sub(op.Min(high_end, _across(op, high_end)), op.Max(low_end, _across(op, low_end)))
        sides.append(op.Max(inner, 0.0))  # [B, M, M]
    overlap = op.Mul(*sides)
    union = op.Sub(op.Add(area, _across(op, area)), overlap)
    places = np.arange(most, dtype=np.float32)
    earlier = op.Greater(ir.tensor(places[:, None], name="place"), ir.tensor(places[None, :], name="rival"))  # [M, M]
    drops = op.And(op.Greater(op.Div(overlap, union), iou), earlier)
    if classes is not None:
        own = op.Unsqueeze(classes, [2])
        drops = op.And(drops, op.Equal(own, _across(op, own)))
    return op.Cast(drops, to=ir.DataType.FLOAT)


def _across(op: "Op", column: "Tensor") -> "Tensor":
    """[B, 1, M] of [B, M, 1]."""
    return op.Transpose(column, perm=[0, 2, 1])


def _round(op: "Op", drops: "Tensor", keep: "Tensor", start: "Tensor") -> "Tensor":
    """[B, M, 1] float32: what stays where `keep` stands. start: what is a candidate."""
    dropped = op.Greater(op.ReduceSum(op.Mul(drops, _across(op, keep)), [2]), 0.5)  # by how many
    return op.Where(dropped, 0.0, start)


def _loop(op: "Op", drops: "Tensor", start: "Tensor", most: int) -> "Tensor":
    """[B, M, 1] float32, 1 for the candidates that greedy suppression keeps; see `ClusterNms`."""
    import onnx_ir as ir

    shape = ir.Shape([start.shape[0], most, 1])

    def again(op: "Op", _count: "Tensor", _going: "Tensor", keep: "Tensor") -> "list[Tensor]":
        new = _round(op, drops, keep, start)
        changes = op.ReduceSum(op.Abs(op.Sub(new, keep)), keepdims=0)
        return [op.Greater(changes, 0.5), new]

    def value(name: str | None, kind: Any, shape: "ir.Shape") -> "ir.Value":
        return ir.Value(name=name, type=ir.TensorType(kind), shape=shape)

    scalar = ir.Shape([])
    body = op.builder.subgraph(
        again,
        inputs=[
            value("nms/round", ir.DataType.INT64, scalar),
            value("nms/going", ir.DataType.BOOL, scalar),
            value("nms/keep", ir.DataType.FLOAT, shape),
        ],
        outputs=[value(None, ir.DataType.BOOL, scalar), value(None, ir.DataType.FLOAT, shape)],
        name="nms/suppress",
    )
    keep = op.Loop(ir.tensor(most, name="rounds"), ir.tensor(True, name="go"), start, body=body)
    keep.type, keep.shape = ir.TensorType(ir.DataType.FLOAT), shape
    return keep


def _float() -> Any:
    import onnx_ir as ir

    return ir.DataType.FLOAT


def _first_kept(
    op: "Op", keep: "Tensor", candidates: "dict[str, Tensor]", batch: object, most: int, limit: int
) -> "Outputs":
    """The first `limit` that are kept. They stand in order already, and TopK over their places, no two of which are
    alike, leaves nothing to how an engine treats ties."""
    import numpy as np
    import onnx_ir as ir

    places = ir.tensor(np.arange(most, 0, -1, dtype=np.float32), name="places")
    rank, index = op.TopK(op.Mul(keep, places), [limit], axis=1, _outputs=2)  # [B, max]
    used = op.Greater(rank, 0.5)
    count = op.ReduceSum(op.Cast(used, to=ir.DataType.INT64), [1], keepdims=1)
    return {
        "kept_boxes": (op.GatherND(candidates["boxes"], op.Unsqueeze(index, [2]), batch_dims=1), [batch, limit, 4]),
        "kept_scores": (op.GatherElements(candidates["scores"], index, axis=1), [batch, limit]),
        "kept_classes": (op.GatherElements(candidates["classes"], index, axis=1), [batch, limit]),
        "num_kept": (count, [batch, 1]),
    }
