"""How far a quantized network is from the float one, as one number: layers, weights and ranges are chosen by it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import tee

import numpy as np
import onnx

from exporter.proof.sets import assigned
from exporter.proof.tensors import Tensors, tensors
from exporter.quantization import observe

DIGITS = 6  # of an error: the last ones of a float32 depend on the processor, and a ranking should not


def quantization_error(expected: Iterable[Tensors], got: Iterable[Tensors]) -> float:
    """How far the outputs before NMS are from what they should be: 0 for the same, about 1 for everything lost.

    With b the best score that box n should have, s and s' the scores that pair (n, c) should have and has:

        ( Σ_n b² · (1 − IoU of the two boxes n)  +  Σ_nc max(s, s') · |s − s'| ) / Σ_n b²

    so what a network does not see counts for nothing, and what it sees where there is nothing counts. To six digits.
    """
    return _ratio(sum((_lost_of(want, have) for want, have in zip(expected, got, strict=True)), np.zeros(2)))


def errors(
    core: onnx.ModelProto, models: Mapping[str, onnx.ModelProto], images: Iterable[np.ndarray], unordered: bool
) -> dict[str, float]:
    """The `quantization_error` of each of the models, in the engine and on the machine that this runs on. All run side
    by side, so that no image's outputs are kept.

    images: float32 [n, 3, H, W] each, gone through once; unordered: whether the core gives a set, see `in_place`.
    """
    graphs = [core, *models.values()]
    copies = tee((batch for batch, _ in observe.batches(core, images)), len(graphs))
    runs = (tensors(graph.SerializeToString(), batches) for graph, batches in zip(graphs, copies, strict=True))
    lost = np.zeros((len(models), 2))
    for want, *others in zip(*runs, strict=True):
        lost += [_lost_of(want, in_place(want, have) if unordered else have) for have in others]
    return {name: _ratio(each) for name, each in zip(models, lost, strict=True)}


def in_place(want: Tensors, have: Tensors) -> Tensors:
    """What a set has, each box in the row of the one that it stands for in the set that it should be: a set's order is
    nothing, and any rounding may change it. The rows to fill choose in the order of their best scores, each what makes
    the least `quantization_error`."""

    def cost(n: int) -> np.ndarray:
        scores, boxes = want.scores[n : n + 1].astype(np.float64), want.boxes[n : n + 1]
        of_scores = (np.maximum(scores, have.scores) * np.abs(scores - have.scores)).sum(axis=1)
        return of_scores + scores.max() ** 2 * (1 - _overlap(boxes, have.boxes))

    places = assigned(want.scores.max(axis=1), len(have.boxes), cost)
    return replace(have, boxes=have.boxes[places], scores=have.scores[places])


def _lost_of(want: Tensors, have: Tensors) -> np.ndarray:
    """Of one image the two sums of the formula: what is lost, and of how much."""
    weight = want.scores.max(axis=1).astype(np.float64) ** 2
    higher = np.maximum(want.scores, have.scores).astype(np.float64)
    boxes = float(weight @ (1 - _overlap(want.boxes, have.boxes)))
    classes = float((higher * np.abs(want.scores - have.scores)).sum())
    return np.array([boxes + classes, weight.sum()])


def _ratio(lost_of: np.ndarray) -> float:
    return float(f"{lost_of[0] / max(lost_of[1], np.finfo(np.float64).tiny):.{DIGITS}g}")


def _overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU of each of a [n, 4] (or the only one) with its own of b [n, 4], xyxy; 1 where neither has an area."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    common = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])
    inside = np.maximum(common, 0).prod(axis=1)
    areas = [np.maximum(each[:, 2:] - each[:, :2], 0).prod(axis=1) for each in (a, b)]
    union = areas[0] + areas[1] - inside
    return np.divide(inside, union, out=np.ones_like(union), where=union > 0)
