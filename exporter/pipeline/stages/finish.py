"""The artifact: the core between what the camera gives and what the application takes."""

from typing import TYPE_CHECKING

import onnx

from exporter.common.heap import trim
from exporter.config.recipe import Recipe
from exporter.graph.attach_frame import attach_frame
from exporter.graph.clean import check
from exporter.graph.guard_sizes import guard_sizes
from exporter.model.loaded import ModelFacts
from exporter.pipeline.describe import runtime_properties
from exporter.preprocessing.attach_input import attach_input
from exporter.preprocessing.normalization import UNCHANGED

if TYPE_CHECKING:
    from exporter.pipeline.stages.calibrated import Calibrated


def artifact(calibrated: "Calibrated", model: ModelFacts, recipe: Recipe) -> bytes:
    """What is published: see `finished`."""
    return finished(calibrated.quantized.model, model, recipe)


def reference(core: onnx.ModelProto, model: ModelFacts, recipe: Recipe) -> bytes:
    """The same recipe without quantization, which what that costs is measured against: see `finished`."""
    return finished(core, model, recipe)


def attach(core: onnx.ModelProto, recipe: Recipe) -> onnx.ModelProto:
    """The core with pre- and post-processing. Reads the recipe's `input`, `preprocessing`, `nms`, `format` and
    `backend`."""
    if recipe.preprocessing.inside_graph:
        dtype = recipe.input.dtype if recipe.input.dtype != "auto" else "uint8"
        channels = recipe.input.channels if recipe.input.channels != "auto" else "rgb"
        layout = "nhwc" if recipe.takes_frames else recipe.input.layout
        normalization = recipe.preprocessing.normalization
        if hasattr(recipe.preprocessing, "attach"):  # the recipe's own code, which gets a picture's values as they are
            core, normalization = recipe.preprocessing.attach(core), UNCHANGED
        core = attach_input(core, normalization, dtype, layout, channels)
    if recipe.input.dynamic_sides and recipe.backend.takes_any_size:
        core = guard_sizes(core, recipe.input.min_size, recipe.input.max_size)
    finished = recipe.nms.attach(core)
    if recipe.takes_frames:
        finished = attach_frame(finished, recipe.preprocessing.geometry(*recipe.input.nominal))
    return recipe.format.attach(finished) if hasattr(recipe.nms, "max_predictions_per_image") else finished


def finished(core: onnx.ModelProto, model: ModelFacts, recipe: Recipe) -> bytes:
    """An artifact's bytes: the core, pre- and post-processing, and what the backend and a runtime need; valid ONNX.
    Reads what `attach` reads, and the recipe's `name`."""
    attached = attach(core, recipe)
    trim()
    built = recipe.backend.finish(attached)
    del attached
    trim()
    onnx.helper.set_model_props(built, runtime_properties(built, model, recipe))
    artifact = built.SerializeToString(deterministic=True)
    del built
    trim()
    check(artifact)
    return artifact
