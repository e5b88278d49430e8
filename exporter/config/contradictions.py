"""What a recipe says and cannot mean: options without an effect, choices that do not go together."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from exporter.config.compose import Composed
from exporter.preprocessing.normalization import Normalization
from exporter.quantization.task import ALREADY

if TYPE_CHECKING:
    from exporter.config.recipe import Recipe


def contradictions(recipe: "Recipe", composed: Composed) -> Iterator[str]:
    """A line for each option that was set and cannot have an effect, and for choices that do not go together; each says
    what to do."""
    yield from recipe.model.problems()
    yield from recipe.model.size_problems(recipe.input.dynamic_sides)
    if not recipe.preprocessing.inside_graph:
        given = {"dtype": recipe.input.dtype, "layout": recipe.input.layout, "channels": recipe.input.channels}
        for key, plain in (("dtype", ("auto", "float32")), ("layout", ("nchw",)), ("channels", ("auto",))):
            if given[key] not in plain:
                yield (
                    f"input.{key}={given[key]}: has no effect with preprocessing=none, which takes the network's own"
                    f" input (float32 NCHW): leave it out or choose a preprocessing"
                )
    yield from recipe.preprocessing.problems(recipe.input, recipe.nms.detects)
    normalization = recipe.preprocessing.normalization
    if recipe.model.reads_bytes and isinstance(normalization, Normalization) and not normalization.keeps_bytes:
        yield (
            f"preprocessing={composed.choices['preprocessing']}: scales images, and {recipe.model.weights_given} reads"
            " bytes, 0..255: take preprocessing=declared with preprocessing.max_value=1, no mean and no std"
        )
    for key in ("min_size", "nominal_size", "max_size"):
        if composed.said(f"input.{key}") and not recipe.input.dynamic_sides and not composed.sweeping:
            yield f"input.{key}: has no effect where height and width are fixed: leave it out, or make one dynamic"
    yield from _postprocessing_problems(recipe, composed)
    yield from _quantization_problems(recipe, composed)
    for group, node in (("quantization", recipe.quantization), ("postprocessing/nms", recipe.nms)):
        if node.only_for and recipe.backend.name not in node.only_for:
            takers = " or ".join(node.only_for)
            yield (
                f"{group}={composed.choices[group]}: is for backend={takers} only: take that, or with"
                f" backend={recipe.backend.name} {group}={node.instead}"
            )
    yield from recipe.backend.problems(recipe.request, recipe.scheme)
    if slow := recipe.backend.slow_opset(recipe.export.opset):
        yield f"export.opset={recipe.export.opset}: {slow}"
    yield from _images_problems(recipe, composed)
    yield from _gate_problems(recipe)
    if composed.said("sweep") and not composed.sweeping:
        yield "sweep: has no effect on a single build: leave it out, or sweep with -m"


def _postprocessing_problems(recipe: "Recipe", composed: Composed) -> Iterator[str]:
    """Of the format, of what it stands behind, and of clipping."""
    chosen, format, detects = composed.choices["postprocessing/format"], recipe.format, recipe.nms.detects
    if detects and not format.takes_detections:
        yield (
            f"postprocessing/format={chosen}: gives all boxes, with no NMS inside: leave postprocessing/nms and its"
            " keys out"
        )
    if not detects and not format.takes_all_boxes and composed.said("postprocessing/format"):
        yield f"postprocessing/format={chosen}: has no effect with postprocessing/nms=none: leave one of them out"
    if recipe.nms.may_give_up and not format.rows_by_image:
        yield (
            f"postprocessing/format={chosen}: has no place to say that an image needs more than"
            " postprocessing.nms.rounds: take postprocessing/format=batch, or leave rounds out"
        )
    if recipe.request.formatted:
        yield from format.problems(recipe.input, recipe.preprocessing)
    if recipe.clip and recipe.preprocessing.takes_raw_images:
        yield (
            f"postprocessing.clip=true: has no effect with preprocessing={recipe.preprocessing.name}, which clips boxes"
            " to the raw image: leave it out"
        )


def _quantization_problems(recipe: "Recipe", composed: Composed) -> Iterator[str]:
    """Of the quantization and of the calibration that it needs or does not need."""
    chosen, quantization = composed.choices["quantization"], recipe.quantization
    if quantization.quantizes and recipe.model.is_quantized():
        yield f"quantization={chosen}: {ALREADY}"
    # In a sweep over precisions the images are for those runs that need them.
    if not quantization.needs_calibration and composed.said("calibration") and not composed.sweeping:
        yield f"calibration: has no effect with quantization={chosen}, which needs no images: leave it out"
    if composed.said("calibration.percentile") and not recipe.calibration.reads_percentile:
        yield f"calibration.percentile: has no effect with calibration.method={recipe.calibration.method}: leave it out"
    if quantization.needs_calibration:
        yield from recipe.calibration.problems(recipe.model.weights_given)
    yield from quantization.problems(recipe.calibration.method, recipe.scheme)
    if quantization.needs_calibration and recipe.backend.slow_int8:
        yield f"quantization={chosen}: {recipe.backend.slow_int8}"
    if recipe.export.opset < quantization.minimum_opset:
        yield (
            f"export.opset={recipe.export.opset}: quantization={chosen} needs {quantization.minimum_opset} or later:"
            " leave it auto"
        )


def _images_problems(recipe: "Recipe", composed: Composed) -> Iterator[str]:
    """Of what shows images to a network of which nobody knows how one becomes its input."""
    if recipe.request.normalization is not None:
        return
    showing = {
        "quantization": recipe.quantization.quantizes,
        "evaluation": recipe.evaluation.measures,
        "benchmark": recipe.benchmark.measures,
    }
    for group in (group for group, shows in showing.items() if shows):
        yield (
            f"{group}={composed.choices[group]}: shows the network images, and how one becomes its input is not known:"
            " choose the preprocessing that it was trained with"
        )


def _gate_problems(recipe: "Recipe") -> Iterator[str]:
    evaluation = recipe.evaluation
    if evaluation.measures and not recipe.format.readable:
        yield (
            f"evaluation={evaluation.name}: cannot read detections in a format of your own: evaluate with"
            " postprocessing/format=batch, or leave evaluation out"
        )
    if evaluation.measures and recipe.request.parameters is None:
        yield f"evaluation={evaluation.name}: needs detections, and postprocessing/nms=none gives none: leave one out"
    drop = evaluation.gates.max_drop
    if drop is not None and not recipe.quantization.quantizes:
        yield (
            f"evaluation.max_drop={drop:g}: has no effect with quantization=none, which is the reference"
            " itself: leave it out"
        )
    yield from evaluation.problems()
    if recipe.benchmark.gate is not None and not recipe.quantization.quantizes:
        yield (
            f"benchmark.max_ratio={recipe.benchmark.gate:g}: has no effect with quantization=none, which is the"
            " reference itself: leave it out"
        )
