"""How much the outputs of a network suffer when a single layer of it works on integers."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import onnx

from exporter.evaluation.scores import scores
from exporter.proof.sets import assigned
from exporter.proof.tensors import Tensors
from exporter.quantization.plan import Plan
from exporter.quantization.reference_evaluator import ReferenceEvaluator, finished, has_objects, outcomes
from exporter.quantization.section import Sensitivity

DIGITS = 6  # of an error: the last ones of a float32 depend on the processor, and a ranking should not


def ranking(
    layers: Iterable[str], plan: Plan, reference_evaluator: ReferenceEvaluator, num_images: int
) -> list[Sensitivity]:
    """The layers by the `quantization_error` that each alone makes on the first images, the worst first; equal ones as
    they came."""
    images, ground_truths = reference_evaluator.images[:num_images], reference_evaluator.ground_truths[:num_images]
    scorable = has_objects(ground_truths)

    def measured(core: onnx.ModelProto) -> tuple[list[Tensors], float | None]:
        outcome = list(outcomes(core, reference_evaluator.nms, images))
        found = [finished(each) for each in outcome]
        return outcome, scores(found, ground_truths, reference_evaluator.num_classes).map if scorable else None

    expected, before = measured(reference_evaluator.core)
    ranked = []
    for layer in layers:
        got, after = measured(plan.model([layer]))
        if reference_evaluator.unordered:
            got = [in_place(want, have) for want, have in zip(expected, got, strict=True)]
        drop = None if before is None or after is None else round(before - after, 3)
        ranked.append(Sensitivity(layer=layer, error=quantization_error(expected, got), map_drop=drop))
    return sorted(ranked, key=lambda each: -each.error)


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


def quantization_error(expected: Iterable[Tensors], got: Iterable[Tensors]) -> float:
    """How far the outputs before NMS are from what they should be: 0 for the same, about 1 for everything lost.

    With b the best score that box n should have, s and s' the scores that pair (n, c) should have and has:

        ( Σ_n b² · (1 − IoU of the two boxes n)  +  Σ_nc max(s, s') · |s − s'| ) / Σ_n b²

    so what a network does not see counts for nothing, and what it sees where there is nothing counts. To six digits.
    """
    boxes = classes = everything = 0.0
    for want, have in zip(expected, got, strict=True):
        weight = want.scores.max(axis=1).astype(np.float64) ** 2
        higher = np.maximum(want.scores, have.scores).astype(np.float64)
        boxes += float(weight @ (1 - _overlap(want.boxes, have.boxes)))
        classes += float((higher * np.abs(want.scores - have.scores)).sum())
        everything += float(weight.sum())
    return float(f"{(boxes + classes) / max(everything, np.finfo(np.float64).tiny):.{DIGITS}g}")


def _overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU of each of a [n, 4] (or the only one) with its own of b [n, 4], xyxy; 1 where neither has an area."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    common = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])
    inside = np.maximum(common, 0).prod(axis=1)
    areas = [np.maximum(each[:, 2:] - each[:, :2], 0).prod(axis=1) for each in (a, b)]
    union = areas[0] + areas[1] - inside
    return np.divide(inside, union, out=np.ones_like(union), where=union > 0)
