"""What a recipe says and cannot mean: options without an effect, choices that do not go together."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from exporter.config.compose import Composed
from exporter.quantization.settings import ALREADY

if TYPE_CHECKING:
    from exporter.config.recipe import Recipe


def contradictions(recipe: "Recipe", composed: Composed) -> Iterator[str]:
    """A line for each option that was set and cannot have an effect, and for choices that do not go together; each says
    what to do."""
    yield from recipe.model.problems()
    if not recipe.preprocessing.inside_graph:
        for key, plain in (("dtype", ("auto", "float32")), ("layout", ("nchw",)), ("channels", ("auto",))):
            value = getattr(recipe.input, key)
            if value not in plain:
                yield (
                    f"input.{key}={value}: has no effect with preprocessing=none, which takes the network's own input"
                    f" (float32 NCHW): leave it out or choose a preprocessing"
                )
    if recipe.takes_frames:
        yield from recipe.preprocessing.problems(recipe)
    for key in ("min_size", "nominal_size", "max_size"):
        if composed.said(f"input.{key}") and not recipe.input.dynamic_sides and not composed.sweeping:
            yield f"input.{key}: has no effect where height and width are fixed: leave it out, or make one dynamic"
    if not hasattr(recipe.nms, "max_predictions_per_image") and composed.said("postprocessing/format"):
        chosen = composed.choices["postprocessing/format"]
        yield f"postprocessing/format={chosen}: has no effect with postprocessing/nms=none: leave one of them out"
    yield from _quantization_problems(recipe, composed)
    for group, node in (("quantization", recipe.quantization), ("postprocessing/nms", recipe.nms)):
        needed = getattr(node, "needs_backend", recipe.backend.name)
        if needed != recipe.backend.name:
            yield (
                f"{group}={composed.choices[group]}: is for backend={needed} only: take that, or with"
                f" backend={recipe.backend.name} {group}={node.instead}"
            )
    yield from recipe.backend.problems(recipe)
    yield from _evaluation_problems(recipe)
    if composed.said("sweep") and not composed.sweeping:
        yield "sweep: has no effect on a single build: leave it out, or sweep with -m"


def _quantization_problems(recipe: "Recipe", composed: Composed) -> Iterator[str]:
    """Of the quantization and of the calibration that it needs or does not need."""
    chosen = composed.choices["quantization"]
    if recipe.quantization.name != "none" and hasattr(recipe.model, "is_quantized") and recipe.model.is_quantized():
        yield f"quantization={chosen}: {ALREADY}"
    # In a sweep over precisions the pictures are for those runs that need them.
    if not recipe.quantization.needs_calibration and composed.said("calibration") and not composed.sweeping:
        yield f"calibration: has no effect with quantization={chosen}, which needs no pictures: leave it out"
    if composed.said("calibration.percentile") and recipe.calibration.method != "percentile":
        yield f"calibration.percentile: has no effect with calibration.method={recipe.calibration.method}: leave it out"
    if recipe.quantization.needs_calibration:
        yield from recipe.calibration.problems(recipe.model.weights)
    if hasattr(recipe.quantization, "package"):
        yield from recipe.quantization.problems(recipe.calibration.method, recipe.quantization_scheme)
    if (
        getattr(recipe.quantization, "reduce_range", "auto") in (True, "measure")
        and recipe.quantization_scheme != "u8s8"
    ):
        yield (
            f"quantization.reduce_range: only products with uint8 can saturate, and the scheme is"
            f" {recipe.quantization_scheme}: leave it out"
        )
    least = getattr(recipe.quantization, "minimum_opset", recipe.export.opset)
    if recipe.export.opset < least:
        yield (
            f"export.opset={recipe.export.opset}: quantization={chosen} needs {least} or later: add"
            f" export.opset={least}"
        )


def _evaluation_problems(recipe: "Recipe") -> Iterator[str]:
    evaluation = recipe.evaluation
    if evaluation.name != "none" and hasattr(recipe.format, "code"):
        yield (
            f"evaluation={evaluation.name}: cannot read detections in a format of your own: evaluate with"
            " postprocessing/format=batch, or leave evaluation out"
        )
    if evaluation.name != "none" and not hasattr(recipe.nms, "max_predictions_per_image"):
        yield f"evaluation={evaluation.name}: needs detections, and postprocessing/nms=none gives none: leave one out"
    if evaluation.max_drop is not None and recipe.quantization.name == "none":
        yield (
            f"evaluation.max_drop={evaluation.max_drop:g}: has no effect with quantization=none, which is the reference"
            " itself: leave it out"
        )
    yield from evaluation.problems()
