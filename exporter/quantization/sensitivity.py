"""How much the outputs of a network suffer when a single layer of it works on integers."""

from collections.abc import Iterable

import onnx

from exporter.evaluation.scores import scores
from exporter.proof.tensors import Tensors
from exporter.quantization.error import in_place, quantization_error
from exporter.quantization.plan import Plan
from exporter.quantization.reference_evaluator import ReferenceEvaluator, finished, has_objects, outcomes
from exporter.quantization.section import Sensitivity


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
